"""Configuration: merging over presets, overrides, and an error for everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import yaml

from swag.explainers import LIME, SWAG
from swag.metrics import Deletion
from swag.signals import Signals
from swag.superpixels import SLIC, Quickshift
from swag.types import Kind
from swagflow.config.identity import describe, key_of
from swagflow.config.load import load_benchmark, resolve
from swagflow.errors import UserError
from tests.support.benchmarks import wanted
from tests.support.plugins import BLOCKS, Blocks, Brightness
from tests.support.runs import MINIMAL, changed
from tests.support.toys import batch_of, images, toy


def test_fields_are_merged_deeply_over_the_preset() -> None:
    benchmark = resolve(changed(explainers={"swag_ig": {"superpixels": {"num_segments": 75}}}))
    swag_ig = benchmark.explainers["swag_ig"]
    assert swag_ig == SWAG(
        superpixels=SLIC(
            features="image_gradient", num_segments=75, colour_weight=20.0, gradient_weight=8.0
        )
    )


def test_a_preset_can_serve_under_another_name() -> None:
    benchmark = resolve(changed(explainers={"swag_100": {"type": "swag"}, "swag": {}}))
    assert benchmark.explainers["swag_100"] == benchmark.explainers["swag"]


def test_a_nested_type_starts_from_its_own_defaults() -> None:
    fields = {"swag": {"superpixels": {"type": "quickshift", "max_dist": 50.0}}}
    swag = resolve(changed(explainers=fields)).explainers["swag"]
    assert isinstance(swag, SWAG)
    assert swag.superpixels == Quickshift(max_dist=50.0)


def test_a_segmenter_of_others_goes_from_a_configuration_to_saliencies() -> None:
    fields = {"superpixels": {"type": "tests.support.plugins:Blocks", "side": 8}}
    raw = changed(explainers={"swag": fields, "lime": {**fields, "num_samples": 6}})
    explainers = resolve(raw).explainers
    assert explainers["swag"] == SWAG(superpixels=Blocks(side=8))
    assert explainers["lime"] == LIME(superpixels=Blocks(side=8), num_samples=6)
    assert describe(explainers["swag"])["superpixels"] == {
        "class": "Blocks",
        "module": "tests.support.plugins",
        "side": 8,
    }
    for explainer in explainers.values():
        signals = Signals(toy(), batch_of(images(2)), explainer.needs)
        saliency_BHW = explainer(signals)
        blocks = saliency_BHW.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3)
        assert torch.equal(blocks.amin(3), blocks.amax(3))
        assert all(saliency_HW.unique().numel() > 4 for saliency_HW in saliency_BHW)


def test_an_instance_of_a_segmenter_brings_its_own_settings() -> None:
    fields = {"swag": {"superpixels": {"type": "tests.support.plugins:BLOCKS"}}}
    assert resolve(changed(explainers=fields)).explainers["swag"] == SWAG(superpixels=BLOCKS)


@pytest.mark.parametrize(
    ("superpixels", "message"),
    [
        ({"side": 0}, r"explainers\.swag: superpixels: side must be at least 1, got 0"),
        ({"side": "8"}, r"explainers\.swag: superpixels\.side: .*integer, got '8'"),
        ({"sdie": 8}, r"'explainers\.swag\.superpixels\.sdie'; did you mean 'side'\?"),
        ({"type": "slik"}, r"superpixels\.type: segmenter 'slik' is unknown; did you mean 'slic'"),
        ({"type": "os:path"}, r"superpixels\.type: 'os:path' is no segmenter; wanted a frozen"),
        (
            {"type": "tests.support.plugins:toy_cnn"},
            r"superpixels\.type: 'tests\.support\.plugins:toy_cnn' is no segmenter",
        ),
        ({"type": "quickshift", "max_dist": -1}, r"superpixels: max_dist must be positive"),
    ],
)
def test_wrong_segmenters(superpixels: dict[str, object], message: str) -> None:
    fields = {"type": "tests.support.plugins:Blocks", **superpixels}
    with pytest.raises(UserError, match=message):
        resolve(changed(explainers={"swag": {"superpixels": fields}}))


@pytest.mark.parametrize("value", [3, None, ["slic"]])
def test_superpixels_are_a_mapping_of_fields(value: object) -> None:
    message = r"explainers\.swag: superpixels: wanted a mapping of fields, got "
    with pytest.raises(UserError, match=message + re.escape(repr(value))):
        resolve(changed(explainers={"swag": {"superpixels": value}}))


def test_a_field_of_one_class_takes_no_segmenter_of_another() -> None:
    fields = {"type": "tests.config.test_config:OnSlic", "superpixels": {"type": "quickshift"}}
    with pytest.raises(UserError, match=r"explainers\.own: superpixels: .*instance of SLIC"):
        resolve(changed(explainers={"own": fields}))
    fields["superpixels"] = {"type": "slic", "num_segments": 5}
    made = resolve(changed(explainers={"own": fields})).explainers["own"]
    assert made == OnSlic(superpixels=SLIC(num_segments=5))


@dataclass(frozen=True, kw_only=True)
class OnSlic:
    """An explainer whose author allows one class of superpixels."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()
    superpixels: SLIC = SLIC()

    def __call__(self, signals: Signals) -> torch.Tensor:
        return signals.segments(self.superpixels).float()


def test_fields_that_are_not_given_are_of_their_types_too() -> None:
    """Stored keys are made of 4.0 where the default is 4."""
    lime = resolve(changed(explainers=["lime"])).explainers["lime"]
    assert repr(lime.superpixels) == "Quickshift(kernel_size=4.0, max_dist=200.0, ratio=0.2)"  # type: ignore[attr-defined]
    assert key_of(lime) == "2af33c70dccf8263ceeb65a63fef9f7e36a335dc2123f54303b0bb249182dd29"


def test_a_class_stands_for_its_default_settings() -> None:
    raw = changed(
        explainers={"own": {"type": "tests.support.plugins:Brightness", "offset": 2.0}},
        metrics={"del": {"type": "swag.metrics:Deletion", "steps": 4}},
    )
    benchmark = resolve(raw)
    assert benchmark.explainers["own"] == Brightness(offset=2.0)
    assert benchmark.metrics["del"] == Deletion(steps=4)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"explainers": {"x": {"type": "os:path"}}}, r"explainers\.x: 'os:path' is no explainer"),
        (
            {"metrics": {"x": {"type": "tests.support.plugins:BRIGHTNESS"}}},
            r"metrics\.x: .* is no metric; .*swag\.protocols\.Metric or ExplainerMetric has",
        ),
        (
            {"explainers": {"x": {"type": "swag.models:ModelSpec"}}},
            r"explainers\.x: ModelSpec has no default settings: .*'architecture'",
        ),
        ({"datasets": {"x": {"type": "os:path"}}}, r"datasets\.x: 'os:path' is no dataclass"),
    ],
)
def test_what_is_of_another_kind_is_refused(raw: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(changed(**raw))


def test_a_metric_of_others_may_judge_the_explainer_itself() -> None:
    raw = changed(metrics={"deletion": {}, "own": {"type": "tests.support.plugins:NumPasses"}})
    benchmark = resolve(raw)
    assert (list(benchmark.metrics), list(benchmark.timings)) == (["deletion"], ["own"])


def test_a_model_may_have_other_weights_on_a_data_set() -> None:
    models = {"toy": {**MINIMAL["models"]["toy"], "on": {"squares": {"weights": "random:7"}}}}  # type: ignore[index]
    benchmark = resolve(changed(models=models))
    assert benchmark.model_spec("squares", "toy").weights == "random:7"
    assert benchmark.models["toy"].weights == "random:0"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"shard_sise": 3}, r"unknown key 'shard_sise'; did you mean 'shard_size'\?"),
        (
            {"explainers": {"swga": {}}},
            r"explainers.swga: explainer 'swga' is unknown; did you mean",
        ),
        (
            {"explainers": {"swag": {"superpixels": {"num_segment": 3}}}},
            r"unknown key 'explainers.swag.superpixels.num_segment'; did you mean 'num_segments'\?",
        ),
        (
            {"explainers": {"swag": {"superpixels": {"num_segments": -3}}}},
            r"explainers.swag: .*num_segments.*-3",
        ),
        ({"explainers": {"swag": {"weights": "colour"}}}, r"explainers.swag: weights.*'colour'"),
        ({"metrics": {"deletion": {"steps": "28"}}}, r"metrics.deletion: steps.*'28'"),
        ({"metrics": {"deletion": {"steps": 0}}}, r"metrics.deletion: .*at least 1 step, got 0"),
        ({"metrics": {}}, r"metrics: a benchmark needs at least one"),
        ({"shard_size": -1}, r"shard_size: wanted a whole number of at least 1, got -1"),
        ({"explainers": {"swag/x": {"type": "swag"}}}, r"'swag/x' cannot be a name"),
        ({"explainers": {"swag": 3}}, r"explainers.swag: wanted a mapping of fields, got 3"),
        ({"datasets": {"squares": {"type": "nowhere:X"}}}, r"'nowhere:X' cannot be imported"),
        ({"datasets": {"image_folder": {}}}, r"datasets.image_folder: root is not set"),
        (
            {"experiments": {"table1": {"explainers": ["swag_ig", "rise"]}}},
            r"unknown key 'experiments.table1.explainers.rise'",
        ),
    ],
)
def test_every_mistake_is_one_clear_error(raw: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(changed(**raw))


def write(tmp_path: Path, raw: Mapping[str, object]) -> str:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(raw))
    return str(path)


def test_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    benchmark = load_benchmark(
        path,
        [
            "model.weights=random:5",
            "datasets.squares.images=3",
            "explainers=[swag, grad_cam]",
            "explainers.swag.superpixels.num_segments=9",
        ],
    )
    assert benchmark.models["toy"].weights == "random:5"
    assert list(benchmark.explainers) == ["swag", "grad_cam"]
    assert benchmark.datasets["squares"].images == 3  # type: ignore[attr-defined]
    swag = benchmark.explainers["swag"]
    assert isinstance(swag, SWAG)
    assert isinstance(swag.superpixels, SLIC)
    assert swag.superpixels.num_segments == 9


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("images", "wanted key=value"),
        ("seed=[", "the value is not YAML"),
        ("name.first=3", "'name' holds a value and has no fields"),
        ("nmae=3", "unknown key 'nmae'; did you mean 'name'"),
    ],
)
def test_bad_overrides(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_benchmark(write(tmp_path, MINIMAL), [override])


def test_model_is_ambiguous_among_several(tmp_path: Path) -> None:
    toy = MINIMAL["models"]["toy"]  # type: ignore[index]
    path = write(tmp_path, changed(models={"a": toy, "b": toy}))
    with pytest.raises(UserError, match=r"this one has 2 \(a, b\); write models.NAME"):
        load_benchmark(path, ["model.weights=x"])


@pytest.mark.parametrize(
    ("content", "message"),
    [("- 1\n- 2\n", "holds list, not a mapping"), ("a: [", "not valid YAML")],
)
def test_bad_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        load_benchmark(str(path))


def test_an_unknown_configuration_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"'no-such' was not found; .*full-benchmark"):
        load_benchmark("no-such")


def test_a_section_set_anew_prunes_the_experiments(tmp_path: Path) -> None:
    experiments = {
        "table1": {"explainers": ["swag", "centre"]},
        "table2": {"explainers": ["centre"]},
    }
    raw = changed(explainers=["swag", "centre"], experiments=experiments)
    benchmark = load_benchmark(write(tmp_path, raw), ["explainers=[swag, sobel]"])
    assert list(benchmark.experiments) == ["table1"]
    assert benchmark.experiments["table1"].explainers == ("swag", "sobel")


def test_what_experiments_share_is_wanted_once() -> None:
    experiments = {
        "table1": {"explainers": ["swag", "centre"]},
        "table2": {"explainers": ["swag"], "models": ["toy"]},
        "masks": {"explainers": ["sobel"], "metric": None},
    }
    benchmark = resolve(changed(explainers=["swag", "centre", "sobel"], experiments=experiments))
    assert wanted(benchmark, "squares", "toy") == [
        ("swag", None),
        ("swag", "deletion"),
        ("centre", None),
        ("centre", "deletion"),
        ("sobel", None),
    ]


def test_what_an_experiment_leaves_out_stands_for_all(tmp_path: Path) -> None:
    experiments: dict[str, Any] = {
        "some": {"explainers": ["swag"]},
        "all": {},
        "empty": {"explainers": []},
    }
    path = write(tmp_path, changed(explainers=["swag", "centre"], experiments=experiments))
    for benchmark in (load_benchmark(path), load_benchmark(path, only=["all", "empty"])):
        for name in ("all", "empty"):
            assert benchmark.experiments[name].explainers == ("swag", "centre")
    assert load_benchmark(path).experiments["some"].explainers == ("swag",)


def test_only_some_experiments(tmp_path: Path) -> None:
    experiments = {"table1": {"explainers": ["swag"]}, "table2": {"explainers": ["centre"]}}
    path = write(tmp_path, changed(explainers=["swag", "centre"], experiments=experiments))
    benchmark = load_benchmark(path, only=["table2"])
    assert wanted(benchmark, "squares", "toy") == [("centre", None), ("centre", "deletion")]
    assert list(benchmark.explainers) == ["centre"]
    assert load_benchmark(path, only=[]) == load_benchmark(path)
    with pytest.raises(UserError, match=r"unknown key 'only.tabel2'; did you mean 'table2'\?"):
        load_benchmark(path, only=["tabel2"])
