"""Configurations made from others, parts of them, grids, and settings for one model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from swag.explainers.rise import RISE
from swag.explainers.swag import SWAG
from swag.superpixels import SLIC
from swagflow.config.benchmark import Benchmark
from swagflow.config.load import load_benchmark, resolve
from swagflow.config.yaml_text import parse_yaml
from swagflow.engine.opening import open_benchmark
from swagflow.engine.plan import cell_of
from swagflow.engine.shard_worker import ShardWorker
from swagflow.engine.todo import todo_of
from swagflow.errors import UserError
from swagflow.hardware import default_device
from swagflow.store.parts import CellName
from swagflow.store.run_folder import Store
from tests.support.benchmarks import described, wanted
from tests.support.runs import changed


def write(path: Path, **raw: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return str(path)


# YAML


def test_on_is_a_key_and_only_true_and_false_are_booleans() -> None:
    text = "{on: {a: on}, b: [true, False, TRUE, truely], c: no, d: 3, e: null}"
    assert parse_yaml(text) == {
        "on": {"a": "on"},
        "b": [True, False, True, "truely"],
        "c": "no",
        "d": 3,
        "e": None,
    }


# include


def test_what_is_included_lies_under_what_is_said(tmp_path: Path) -> None:
    base = changed(explainers={"swag": {"superpixels": {"num_segments": 9}}, "centre": {}}, seed=4)
    write(tmp_path / "parts" / "base.yaml", **base)
    own = {
        "include": "parts/base",
        "name": "own",
        "explainers": {"swag": {"superpixels": {"colour_weight": 3.0}}, "random": {}},
        "metrics": ["deletion"],
    }
    benchmark = load_benchmark(write(tmp_path / "own.yaml", **own))
    assert (benchmark.name, benchmark.seed) == ("own", 4)
    assert list(benchmark.explainers) == ["swag", "centre", "random"]
    swag = benchmark.explainers["swag"]
    assert isinstance(swag, SWAG)
    assert swag.superpixels == SLIC(num_segments=9, colour_weight=3.0)


def test_of_two_that_are_included_the_later_wins(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", **changed(seed=1, shard_size=5))
    write(tmp_path / "b.yml", seed=2, explainers=["centre"])
    path = write(tmp_path / "own.yaml", include=["a", "b.yml"])
    benchmark = load_benchmark(path, ["batch_size=7"])
    assert (benchmark.seed, benchmark.shard_size, benchmark.batch_size) == (2, 5, 7)
    assert list(benchmark.explainers) == ["swag_ig", "centre"]


def test_a_configuration_of_the_package_can_be_included(tmp_path: Path) -> None:
    path = write(
        tmp_path / "own.yaml", include="full-benchmark", name="own", explainers={"swag": {}}
    )
    own, package = load_benchmark(path), load_benchmark("full-benchmark")
    assert own.name == "own"
    assert own.explainers == package.explainers


def test_the_included_one_may_include_too(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "a.yaml", **changed(seed=3))
    write(tmp_path / "deep" / "b.yaml", include="a", shard_size=6)
    benchmark = load_benchmark(write(tmp_path / "own.yaml", include="deep/b"))
    assert (benchmark.seed, benchmark.shard_size) == (3, 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own", "configuration .*own.yaml' includes itself"),
        (["other"], "configuration 'other' was not found; .*full-benchmark"),
        (3, "include: wanted the name of a configuration or a list, got 3"),
        ([3], r"include: wanted the name of a configuration or a list, got \[3\]"),
    ],
)
def test_wrong_includes(name: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_benchmark(write(tmp_path / "own.yaml", include=name))


# only


def study(**raw: Any) -> dict[str, Any]:
    squares = {"type": "tests.support.plugins:Squares"}
    toy = {"architecture": "tests.support.plugins:toy_cnn", "weights": "random:0"}
    content: dict[str, Any] = {
        "datasets": {"a": squares, "b": squares, "b_train": squares},
        "models": {
            "x": {**toy, "on": {"a": {"weights": "random:1"}, "b": {"weights": "random:2"}}},
            "y": toy,
        },
        "explainers": {"swag": {}, "centre": {}, "random": {}},
        "metrics": {"deletion": {}, "other": {"type": "deletion", "steps": 4}},
        "experiments": {
            "all": {"explainers": ["swag", "centre"]},
            "one": {
                "explainers": ["swag"],
                "datasets": ["a"],
                "models": ["x"],
                "metric": "other",
            },
        },
        "roar": {"b": {"train": "b_train", "explainers": ["random"], "models": ["y"]}},
    }
    return changed(**{**content, **raw})


def sections(benchmark: Any) -> list[list[str]]:
    names = ("datasets", "models", "explainers", "metrics", "experiments", "roar")
    return [list(getattr(benchmark, name)) for name in names]


def test_only_keeps_an_experiment_and_what_it_uses(tmp_path: Path) -> None:
    path = write(tmp_path / "own.yaml", **study())
    whole = load_benchmark(path)
    one = load_benchmark(path, only=["one"])
    assert sections(one) == [["a"], ["x"], ["swag"], ["other"], ["one"], []]
    assert wanted(one, "a", "x") == [("swag", None), ("swag", "other")]
    assert one.model_spec("a", "x").weights == "random:1"
    assert one.metrics["other"] == whole.metrics["other"]
    every = load_benchmark(path, only=["all"])
    assert sections(every) == [
        ["a", "b"],
        ["x", "y"],
        ["swag", "centre"],
        ["deletion"],
        ["all"],
        [],
    ]


def test_only_remove_and_retrain(tmp_path: Path) -> None:
    path = write(tmp_path / "own.yaml", **study())
    benchmark = load_benchmark(path, only=["roar"])
    assert sections(benchmark)[:3] == [["b", "b_train"], ["y"], ["random"]]
    assert list(benchmark.roar) == ["b"]
    for dataset in ("b", "b_train"):
        assert wanted(benchmark, dataset, "y") == [("random", None)]


def test_only_may_stand_in_the_file(tmp_path: Path) -> None:
    write(tmp_path / "whole.yaml", **study())
    path = write(tmp_path / "own.yaml", include="whole", only=["one"])
    assert load_benchmark(path) == load_benchmark(str(tmp_path / "whole.yaml"), only=["one"])
    # What is asked for at the call wins.
    assert list(load_benchmark(path, only=["all"]).experiments) == ["all"]
    with pytest.raises(UserError, match=r"unknown key 'only.tow'; .*known here: all, one, roar"):
        load_benchmark(path, only=["tow"])


def test_a_model_that_only_trains_is_the_one_that_is_judged(tmp_path: Path) -> None:
    benchmark = load_benchmark(write(tmp_path / "own.yaml", **study()))
    assert benchmark.model_spec("b_train", "x").weights == "random:2"
    assert benchmark.model_spec("b_train", "y").weights == "random:0"


def test_setting_a_section_drops_what_speaks_of_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "own.yaml", **study())
    benchmark = load_benchmark(path, ["explainers=[centre]"])
    assert sections(benchmark)[2:] == [["centre"], ["deletion", "other"], ["all"], []]
    datasets = "datasets={a: {type: tests.support.plugins:Squares}}"
    benchmark = load_benchmark(path, [datasets])
    assert list(benchmark.on["x"]) == ["a"]
    assert not benchmark.roar


# grid


def test_a_grid_makes_an_explainer_for_every_combination(tmp_path: Path) -> None:
    grid = {"superpixels.num_segments": [4, 9], "statistic": ["mean", "max"]}
    raw = changed(
        explainers={
            "sweep": {"type": "swag", "superpixels": {"colour_weight": 5.0}, "grid": grid},
            "swag": {"grid": {"superpixels.num_segments": [16]}},
        },
        experiments={"figure5": {"explainers": ["sweep", "swag"]}},
    )
    benchmark = load_benchmark(write(tmp_path / "own.yaml", **raw))
    names = ["sweep-4-mean", "sweep-4-max", "sweep-9-mean", "sweep-9-max", "swag-16"]
    assert list(benchmark.explainers) == names
    assert benchmark.experiments["figure5"].explainers == tuple(names)
    assert benchmark.explainers["sweep-9-max"] == SWAG(
        superpixels=SLIC(num_segments=9, colour_weight=5.0), statistic="max"
    )
    assert benchmark.explainers["swag-16"] == SWAG(superpixels=SLIC(num_segments=16))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "explainers.swag.grid: wanted fields with a list of values each"),
        ({"statistic": "mean"}, "explainers.swag.grid: wanted fields with a list of values each"),
        ({"statistic": []}, "explainers.swag.grid: wanted fields with a list of values each"),
        ({"statistc": ["mean"]}, "'explainers.swag-mean.statistc'; did you mean 'statistic'"),
        ({"statistic": ["a b"]}, "explainers: 'swag-a b' cannot be a name"),
    ],
)
def test_wrong_grids(grid: object, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "own.yaml", **changed(explainers={"swag": {"grid": grid}}))
    with pytest.raises(UserError, match=message):
        load_benchmark(path)


# Settings of an explainer on one model


def rise_key(benchmark: Benchmark, model: str) -> str:
    about = described(benchmark, {("a", model): {}})
    return cell_of(about, CellName("a", model, "rise", None)).key


def test_an_explainer_may_have_other_settings_on_a_model(tmp_path: Path) -> None:
    rise = {"num_masks": 8, "cells": 4, "on": {"y": {"num_masks": 4}}}
    path = write(tmp_path / "own.yaml", **study(explainers={"rise": rise}, experiments={}, roar={}))
    benchmark = load_benchmark(path)
    assert benchmark.explainer("rise", "x") == RISE(num_masks=8, cells=4)
    assert benchmark.explainer("rise", "y") == RISE(num_masks=4, cells=4)
    keys = [rise_key(benchmark, model) for model in ("x", "y")]
    assert keys[0] != keys[1]
    fewer = load_benchmark(path, ["explainers.rise.on.y.num_masks=8"])
    keys = [rise_key(fewer, model) for model in ("x", "y")]
    assert keys[0] == keys[1]
    with pytest.raises(UserError, match=r"'explainers.rise.on.z'; .*known here: x, y"):
        load_benchmark(path, ["explainers.rise.on.z.num_masks=8"])


def test_a_worker_uses_a_model_s_own_settings(tmp_path: Path) -> None:
    bright = {"type": "tests.support.plugins:BRIGHTNESS", "on": {"y": {"offset": 2.0}}}
    raw = study(explainers={"bright": bright}, experiments={}, roar={}, metrics=["deletion"])
    opened = open_benchmark(load_benchmark(write(tmp_path / "own.yaml", **raw)))
    store = Store(str(tmp_path / "run"))
    store.write_benchmark(opened.described)
    worker = ShardWorker(opened.benchmark, store.uri, str(default_device()))
    for shard in todo_of(opened, store).plan.shards:
        worker.run(shard)
    maps = [store.read_explanations("a", model, "bright") for model in ("x", "y")]
    for image_id, map_HW in maps[0].items():
        np.testing.assert_allclose(maps[1][image_id], map_HW + 2.0, rtol=1e-6)


def test_what_only_trains_is_never_scored() -> None:
    """Without its retraining, as when its model is left out, it is not there at all."""
    whole = load_benchmark("full-benchmark")
    assert set(whole.datasets) == {"digit_scenes", "digit_scenes_train"}
    assert all("digit_scenes_train" not in e.datasets for e in whole.experiments.values())
    part = load_benchmark(
        "full-benchmark", ["explainers=[swag_ig,grad_cam]", "models=[small_resnet]"]
    )
    assert part.roar == {}
    assert list(part.datasets) == ["digit_scenes"]


def test_a_data_set_can_say_itself_that_it_only_trains() -> None:
    squares = {"type": "tests.support.plugins:Squares"}
    datasets = {"seen": {**squares, "trains": True}, "squares": squares}
    benchmark = resolve(changed(datasets=datasets))
    assert benchmark.experiments["deletion"].datasets == ("squares",)
