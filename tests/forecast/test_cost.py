"""Plans: passes counted as they are run, seconds from a throughput, and what is printed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from typer.testing import CliRunner

from swag.models import ModelSpec
from swag.signals import Signals
from swagflow.cli.app import app
from swagflow.config.benchmark import Benchmark
from swagflow.config.load import load_benchmark, resolve
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import choose_resources
from swagflow.engine.todo import todo_of
from swagflow.engine.work import InProcess
from swagflow.errors import UserError
from swagflow.forecast import rehearsal
from swagflow.forecast.assumed_data import assume
from swagflow.forecast.cost import Estimate
from swagflow.forecast.lines import (
    RETRAINING,
    SHARED,
    TIMING,
    Amounts,
    CostLine,
    Lines,
    Subject,
    Unit,
)
from swagflow.forecast.plan_table import PlanOptions, parse_rates, short, span, totals
from swagflow.forecast.rehearsal import masks, ranks, scores
from swagflow.forecast.throughput import Throughput, measure
from swagflow.store.run_folder import Store
from tests.support.runs import changed

SQUARES = Subject("squares", "toy")
EXPLAINERS: dict[str, Any] = {
    "grad_cam": {},
    "lime": {"num_samples": 6},
    "rise": {"num_masks": 8},
    "xrai": {"steps": 3, "algorithm": "fast"},
    "swag": {"superpixels": {"num_segments": 6}},
    "swag_noise": {"superpixels": {"num_segments": 6}},
}


def lines_of(benchmark: Benchmark, folder: Path) -> Lines:
    opened = open_benchmark(benchmark)
    todo = todo_of(opened, Store(str(folder)))
    estimate = Estimate(benchmark, opened.datasets)
    return estimate.lines(todo, choose_resources(0, device="cpu")) | estimate.timing_lines(
        todo, None
    )


SHARING: dict[str, Any] = {
    "smooth_grad": {"num_samples": 5},
    "var_grad": {"num_samples": 5},
    "finer": {"type": "smooth_grad", "num_samples": 3},
    "xrai": {"steps": 3},
    "xrai_fast": {"type": "xrai", "steps": 3, "algorithm": "fast"},
    "integrated_gradients": {"steps": 4},
    "grey": {"type": "integrated_gradients", "steps": 4, "channels": "max_abs"},
    "swag_smooth": {
        "type": "swag", "weights": "smooth_gradient", "superpixels": {"num_segments": 6}
    },
    "ig_regions": {
        "type": "pooled", "superpixels": {"num_segments": 6},
        "pixels": {"type": "integrated_gradients", "steps": 4},
    },
    "occluded_regions": {
        "type": "pooled", "superpixels": {"num_segments": 6},
        "pixels": {"type": "occlusion", "windows": 3},
    },
    "occluded_others": {
        "type": "pooled", "superpixels": {"num_segments": 9},
        "pixels": {"type": "occlusion", "windows": 3},
    },
    "score_cam": {"num_channels": 8},
}  # fmt: skip
"""Methods that read each other's passes, and one whose copies nobody else reads."""


@pytest.mark.slow
@pytest.mark.parametrize("explainers", [EXPLAINERS, SHARING], ids=["own", "shared"])
def test_the_passes_planned_are_those_that_are_run(
    tmp_path: Path, explainers: dict[str, Any]
) -> None:
    # LIME's passes are at most so many: samples that repeat cost one.
    explainers = {name: fields for name, fields in explainers.items() if name != "lime"}
    metrics = {"deletion": {"steps": 8}, "random_logit": {}}
    benchmark = resolve(changed(explainers=explainers, metrics=metrics, shard_size=4))
    planned = Amounts()
    for line in lines_of(benchmark, tmp_path / "a").values():
        planned.update(line.work)
    run = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal run
        if isinstance(module, nn.Sequential):
            run += len(inputs[0])

    opened = open_benchmark(benchmark)
    hook = register_module_forward_pre_hook(count)
    try:
        compute(
            opened,
            Store(str(tmp_path / "b")),
            InProcess(choose_resources(0, device="cpu")),
            Console(),
        )
    finally:
        hook.remove()
    # Two passes find Grad-CAM's layer, one is of the curves' blank image.
    assert run - planned.passes("forward") == 3


def test_passes_that_others_have_run_are_counted_once_and_made_again_where_they_are(
    tmp_path: Path,
) -> None:
    lines = lines_of(resolve(changed(explainers=SHARING, metrics={"deletion": {}})), tmp_path)
    images = lines[SQUARES, SHARED].images
    backward = {name: line.work.passes("backward") / images for (_, name), line in lines.items()}
    assert (backward["smooth_grad"], backward["var_grad"], backward["finer"]) == (5, 0, 3)
    assert (backward["xrai"], backward["xrai_fast"], backward["score_cam"]) == (5, 0, 0)
    assert (backward["integrated_gradients"], backward["grey"], backward["ig_regions"]) == (4, 0, 0)
    forward = {name: line.work.passes("forward") / images for (_, name), line in lines.items()}
    assert forward["occluded_regions"] - forward["occluded_others"] == 9
    assert forward["occluded_others"] == 27, "a deletion curve"
    rests = {name for (_, name), line in lines.items() if {u.what for u in line.work} & {"rest"}}
    assert rests == {"var_grad", "xrai_fast", "grey", "occluded_others"}
    alone = lines_of(resolve(changed(explainers={"var_grad": {"num_samples": 5}})), tmp_path)
    assert alone[SQUARES, "var_grad"].work.passes("backward") == 5 * images


def test_copies_of_a_model_are_made_once_a_shard_for_all_that_judge_by_them(tmp_path: Path) -> None:
    metrics: dict[str, Any] = {
        "parameter_randomisation": {"num_steps": 2},
        "independent": {"type": "parameter_randomisation", "num_steps": 2, "order": "independent"},
        "efficient_randomisation": {},
    }
    explainers: dict[str, Any] = {"centre": {}, "vanilla_gradient": {}}
    settings = changed(explainers=explainers, metrics=metrics, shard_size=4)
    lines = lines_of(resolve(settings), tmp_path)
    made = {u: n for u, n in lines[SQUARES, SHARED].work.items() if u.what == "copy"}
    # The last half alone, the whole, and of the independent ones the first half.
    assert sorted(unit.subject[1] for unit in made) == [(0.0, 0.5), (0.0, 1.0), (0.5, 1.0)]
    assert set(made.values()) == {2}
    assert all(seconds > 0 for seconds in measure(made, "cpu", 1).seconds.values())


def test_shared_superpixels_and_signals_are_counted_once(tmp_path: Path) -> None:
    lines = lines_of(resolve(changed(explainers=EXPLAINERS)), tmp_path)
    images = lines[SQUARES, SHARED].images
    assert lines[SQUARES, SHARED].work.passes("backward") == 2 * images
    amounts = {
        name: sum(n for unit, n in line.work.items() if unit.what == "superpixels")
        for (_, name), line in lines.items()
    }
    assert amounts["swag"] == images
    assert amounts["swag_noise"] == 0
    assert amounts["lime"] == images


def test_what_is_stored_is_not_planned_again(tmp_path: Path) -> None:
    benchmark = resolve(changed(explainers={"grad_cam": {}}))
    compute(
        open_benchmark(benchmark),
        Store(str(tmp_path)),
        InProcess(choose_resources(0, device="cpu")),
        Console(),
    )
    assert lines_of(benchmark, tmp_path) == {}
    more = lines_of(resolve(changed(explainers={"grad_cam": {}, "centre": {}})), tmp_path)
    assert set(more) == {(SQUARES, SHARED), (SQUARES, "centre")}


@pytest.mark.slow
def test_every_unit_is_measured_and_kept_in_a_file(tmp_path: Path) -> None:
    lines = lines_of(resolve(changed(explainers=EXPLAINERS)), tmp_path)
    units = {unit for line in lines.values() for unit in line.work}
    threads = torch.get_num_threads()
    known = measure(units, "cpu", 1)
    assert torch.get_num_threads() == threads
    assert set(known.seconds) == {unit.key for unit in units}
    assert all(0 <= seconds < 10 for seconds in known.seconds.values())
    known.save(tmp_path / "machine.json")
    assert Throughput.load(tmp_path / "machine.json") == known


def test_storage_is_timed_on_parts_that_can_be_read() -> None:
    assert min(ranks((16, 16)), masks("region", (16, 16), 4), scores(4)) > 0


def test_what_is_compiled_at_its_first_call_is_not_every_images_cost() -> None:
    calls: list[tuple[int, ...]] = []

    @dataclass(frozen=True)
    class Compiled:
        needs: frozenset[str] = frozenset()

        def __call__(self, signals: Signals) -> Tensor:
            if not calls:
                time.sleep(0.3 + rehearsal.LONGEST / 2)
            calls.append(tuple(signals.batch.image_BCHW.shape))
            return torch.zeros(signals.batch.image_BCHW[:, 0].shape, dtype=torch.int64)

    image_BCHW = torch.rand(2, 3, 150, 140)
    seconds = rehearsal.superpixels(Compiled(), image_BCHW, torch.device("cpu"))
    assert seconds < 0.2
    assert calls[0] == (1, 3, 128, 128)
    assert set(calls[1:]) == {(2, 3, 150, 140)}


def test_an_unknown_unit_and_a_bad_file_are_user_errors(tmp_path: Path) -> None:
    unit = Unit("forward", "toy", (8, 8), 32)
    with pytest.raises(UserError, match="forward: toy at 8x8, 32 at a time"):
        Throughput("machine", {}).of(unit)
    file = tmp_path / "machine.json"
    for content in ("", "[]", '{"machine": "x"}', '{"machine": "x", "seconds": {"a": "b"}}'):
        file.write_text(content)
        with pytest.raises(UserError, match="was not written by"):
            Throughput.load(file)
    with pytest.raises(UserError, match="No such file"):
        Throughput.load(tmp_path / "missing.json")


def test_given_rates_scale_a_models_passes_and_nothing_else() -> None:
    spec = ModelSpec(architecture="toy")
    small, large = (Unit("forward", "toy", (n, n), 4, spec) for n in (8, 16))
    back = Unit("backward", "toy", (16, 16), 4, spec)
    step = Unit("training", "toy by sgd", (16, 16), 4, (spec, None))
    other = Unit("forward", "other", (16, 16), 4, ModelSpec(architecture="other"))
    method = Unit("method", "toy", (16, 16), 4, "toy")
    seconds = dict(zip((small, large, back, step, other, method), range(1, 7), strict=True))
    known = Throughput("here", {unit.key: float(value) for unit, value in seconds.items()})
    there = known.at_rates({"toy": 50.0}, seconds)
    # 2 s become 0.02 s.
    assert [there.of(unit) for unit in (small, large, back, step)] == pytest.approx(
        [0.01, 0.02, 0.03, 0.04]
    )
    assert (there.of(other), there.of(method)) == (5.0, 6.0)
    assert there.machine == "here; given, in images a second: toy 50"
    with pytest.raises(UserError, match="the plan has only other, toy"):
        known.at_rates({"vgg16": 1.0}, seconds)
    assert parse_rates(["toy=50"]) == {"toy": 50.0}
    for bad in ("toy", "toy=", "toy=x", "=3", "toy=0", "toy=nan", "toy=inf"):
        with pytest.raises(UserError, match="wanted MODEL=NUMBER"):
            parse_rates([bad])


def test_hours_and_price_by_hand() -> None:
    unit = Unit("forward", "toy", (8, 8), 32)
    known = Throughput("machine", {unit.key: 2.0})
    lines: Lines = {}
    for name, images in (("lime", 3600), (TIMING, 900)):
        lines[SQUARES, name] = CostLine(images, work=Amounts({unit: images}))
    text = " ".join(
        totals(lines, known, choose_resources(4, device="cpu"), PlanOptions(price_per_hour=3.0))
    )
    # 7,200 s shared by four workers, then 1,800 s alone.
    assert "2.50 h of work, about 1.00 h with 4 workers" in text
    assert "12.00" in text


def test_numbers_are_short() -> None:
    numbers = (0, 999, 9_999, 10_000, 99_949, 999_400, 1e6, 1.7e9, 2.23e11)
    wanted = "0, 999, 9,999, 10.0 k, 99.9 k, 999 k, 1.00 M, 1.70 G, 223 G"
    assert ", ".join(map(short, numbers)) == wanted
    spans = (0, 0.304, 59.4, 60, 754, 3_599, 3_600, 149_160, 360_000, 46_706 * 3_600)
    wanted = "0.00 s, 0.30 s, 59.4 s, 1.00 min, 12.6 min, 60.0 min, 1.00 h, 41.4 h, 100 h, 46,706 h"
    assert ", ".join(map(span, spans)) == wanted


def constant(units: Any, *_: Any) -> Throughput:
    """Stand in for `measure`."""
    return Throughput("a machine", {unit.key: 0.001 for unit in units})


@pytest.mark.slow
def test_the_papers_plan_needs_no_data(tmp_path: Path) -> None:
    benchmark = load_benchmark("paper/all")
    with pytest.raises(UserError):
        open_benchmark(benchmark)
    opened = assume(benchmark)
    assert len(opened.datasets["imagenet"].image_ids) == 50_000
    assert len(opened.datasets["cub200_train"].image_ids) == 5_994
    sample = opened.datasets["imagenet"].load(opened.datasets["imagenet"].image_ids[0])
    assert sample.image_CHW.shape == (3, 224, 224)
    lines = _assumed_lines(benchmark, tmp_path)
    # RISE: 8,000 masks, and a deletion curve of 27 passes between its ends.
    rise = lines[Subject("imagenet", "resnet50"), "rise"].work
    assert rise.passes("forward") == 50_000 * (8_000 + 27)
    jobs = lines[Subject("cub200", "resnet50"), RETRAINING]
    assert jobs.rows == 5 * (5 * 8 + 1)
    assert jobs.work.passes("backward") == jobs.rows * 50 * 5_994


def _assumed_lines(benchmark: Benchmark, folder: Path) -> Lines:
    opened = assume(benchmark)
    todo = todo_of(opened, Store(str(folder)))
    return Estimate(benchmark, opened.datasets).lines(todo, choose_resources(0, device="cpu"))


def test_the_command_prints_totals_and_writes_only_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swagflow.forecast.plan_table.measure", constant)
    config = tmp_path / "toy.yaml"
    config.write_text(yaml.safe_dump(changed(explainers=EXPLAINERS)))
    saved = tmp_path / "machine.json"
    run = tmp_path / "run"
    plan = ["plan", str(config), "--run-dir", str(run), "--workers", "0", "--device", "cpu"]
    first = CliRunner().invoke(app, [*plan, "--save-throughput", str(saved)])
    assert first.exit_code == 0, first.output
    assert not run.exists()
    assert json.loads(saved.read_text())["machine"] == "a machine"
    monkeypatch.setattr("swagflow.forecast.plan_table.measure", None)
    priced = [*plan, "--throughput", str(saved), "--price-per-hour", "3600"]
    second = CliRunner().invoke(app, priced)
    assert second.exit_code == 0, second.output
    assert [line.strip() for line in second.output.splitlines()].count("squares,") == 1
    assert "…" not in second.output
    assert "per worker and hour" in second.output
    assert second.output.startswith(first.output.partition("Measured")[0].rstrip("\n")[:200])
