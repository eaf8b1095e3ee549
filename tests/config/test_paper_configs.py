"""The configurations of the package: all are valid, and the paper's hold the paper's numbers."""

from __future__ import annotations

import dataclasses
import json
import re
import textwrap
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from swag.explainers.lime import LIME
from swag.explainers.rise import RISE
from swag.explainers.swag import SWAG
from swag.metrics.deletion import Deletion
from swag.models import resolved
from swag.superpixels import SLIC
from swagflow.config.benchmark import Benchmark
from swagflow.config.load import load_benchmark, resolve
from swagflow.config.packaged import config_folder, config_names
from swagflow.config.yaml_text import parse_yaml
from swagflow.report.paper import paper_values
from swagflow.store.experiments import PrintedTable
from swagflow.train.train_config import load_train_configs
from tests.support.benchmarks import timed, wanted

PARTS = ("table1", "table2", "table3", "table4_roar", "table5", "table6", "figure3", "figure5")
PAPER: dict[str, Any] = json.loads(
    (files("swagflow.report") / "paper_tables.json").read_text(encoding="utf-8")
)
DEFAULTS = PAPER["defaults"]


@pytest.fixture(scope="module")
def paper() -> Benchmark:
    return load_benchmark("paper/all")


def cells(benchmark: Benchmark) -> set[tuple[str, str, str, str | None]]:
    return {
        (dataset, model, *names)
        for dataset in benchmark.datasets
        for model in benchmark.models
        for names in [*wanted(benchmark, dataset, model), *timed(benchmark, dataset, model)]
    }


@pytest.mark.parametrize("name", config_names())
def test_every_configuration_is_valid(name: str) -> None:
    own = name in {"image-folder", "real-networks"}
    needed = ["datasets.image_folder.root=PHOTOS"] if own else []
    benchmark = load_benchmark(name, needed)
    assert cells(benchmark)


def blocks(document: str) -> list[str]:
    """Return the YAML in a document's text."""
    text = (Path(__file__).parents[2] / "docs" / document).read_text(encoding="utf-8")
    return [textwrap.dedent(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_the_documents_examples_are_valid(tmp_path: Path) -> None:
    study, part = blocks("configuration.md")
    path = tmp_path / "study.yaml"
    path.write_text(study)
    benchmark = load_benchmark(str(path))
    assert benchmark.experiments["figure"].explainers == ("sweep-50", "sweep-100", "sweep-200")
    assert benchmark.explainer("rise", "vgg16") == RISE(num_masks=4000)
    path.write_text(part)
    benchmark = load_benchmark(str(path))
    assert list(benchmark.experiments) == ["table1", "table3"]
    for block in blocks("datasets.md"):
        content = {**parse_yaml(study), **parse_yaml(block), "models": {"vgg16": {}}}
        content |= {"experiments": {}, "explainers": {"swag": {}}}
        assert set(resolve(content).datasets) == set(parse_yaml(block)["datasets"])


def test_there_is_a_configuration_for_every_table_and_figure() -> None:
    assert {f"paper/{part}" for part in (*PARTS, "all")} <= set(config_names())


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_part_of_all(part: str, paper: Benchmark) -> None:
    benchmark = load_benchmark(f"paper/{part}")
    assert cells(benchmark) <= cells(paper)
    # So they may share a run folder.
    assert (benchmark.name, benchmark.seed, benchmark.shard_size) == (
        paper.name,
        paper.seed,
        paper.shard_size,
    )
    for section in ("datasets", "models", "explainers", "metrics", "experiments", "roar"):
        mine, whole = getattr(benchmark, section), getattr(paper, section)
        if section != "experiments" or part != "table4_roar":
            assert mine.items() <= whole.items()
    for dataset, model, explainer, _ in cells(benchmark):
        assert benchmark.explainer(explainer, model) == paper.explainer(explainer, model)
        assert benchmark.model_spec(dataset, model) == paper.model_spec(dataset, model)


def test_the_parts_together_are_all(paper: Benchmark) -> None:
    parts = [cells(load_benchmark(f"paper/{part}")) for part in PARTS]
    assert set().union(*parts) == cells(paper)


@pytest.mark.parametrize("name", ["table1", "table2", "table3", "table5", "table6"])
def test_every_number_that_the_paper_prints_is_computed(name: PrintedTable) -> None:
    benchmark = load_benchmark(f"paper/{name}")
    metric = benchmark.experiments[name].metric
    wanted = {(dataset, model, method, metric) for method, dataset, model, _ in paper_values(name)}
    scored = {cell for cell in cells(benchmark) if cell[3] is not None}
    assert scored == wanted


def test_the_paper_s_defaults(paper: Benchmark) -> None:
    assert {config.size for config in paper.datasets.values()} == {DEFAULTS["image_size"]}  # type: ignore[attr-defined]
    deletion = paper.metrics["deletion"]
    assert isinstance(deletion, Deletion)
    assert deletion.steps == DEFAULTS["deletion_steps"]
    assert 224 * 224 / deletion.steps == DEFAULTS["deletion_pixels_per_step"]
    for model, masks in DEFAULTS["rise_passes"].items():
        rise = paper.explainer("rise", model)
        assert isinstance(rise, RISE)
        assert rise.num_masks == masks
    for name in ("lime", "lime_i", "lime_ig", "lime_g"):
        lime = paper.explainers[name]
        assert isinstance(lime, LIME)
        assert lime.num_samples == DEFAULTS["lime_passes"]
        if isinstance(lime.superpixels, SLIC):
            assert lime.superpixels.num_segments == DEFAULTS["lime_superpixels"]
    assert paper.timings["efficiency"].images == 1000
    assert all(spec.weights == "IMAGENET1K_V1" for spec in paper.models.values())


def slic(benchmark: Benchmark, name: str) -> SLIC:
    swag = benchmark.explainers[name]
    assert isinstance(swag, SWAG)
    assert isinstance(swag.superpixels, SLIC)
    return swag.superpixels


def test_swag_s_superpixels(paper: Benchmark) -> None:
    best = PAPER["figure3_weight_grid"]["best"]
    for name in ("swag", "swag_ig", "swag_g", "swag_vanilla", "swag_noise", "swag_sobel"):
        assert slic(paper, name).num_segments == DEFAULTS["num_superpixels"]
    assert slic(paper, "swag").colour_weight == DEFAULTS["slic_colour_weight"]
    assert slic(paper, "swag_ig").colour_weight == best["w_c"]
    assert slic(paper, "swag_ig").gradient_weight == best["w_g"]
    assert slic(paper, "swag_g").gradient_weight == best["w_g"]


def test_figure_3_is_the_paper_s_grid() -> None:
    benchmark = load_benchmark("paper/figure3")
    grid = PAPER["figure3_weight_grid"]
    weights = {
        (slic(benchmark, name).colour_weight, slic(benchmark, name).gradient_weight)
        for name in benchmark.experiments["figure3"].explainers
    }
    assert weights == {(w_c, w_g) for w_c in grid["w_c"] for w_g in grid["w_g"]}
    assert len(benchmark.explainers) == 81
    assert {cell[:2] for cell in cells(benchmark)} == {(grid["dataset"], grid["model"])}
    assert slic(benchmark, "swag_weights-4-20").features == "image_gradient"


def test_figure_5_counts_up_for_every_kind_of_superpixel() -> None:
    benchmark = load_benchmark("paper/figure5")
    counts: dict[str, list[int]] = {}
    for name in benchmark.experiments["figure5"].explainers:
        features = slic(benchmark, name).features
        counts.setdefault(features, []).append(slic(benchmark, name).num_segments)
    wanted = [50, 100, 150, 200, 250, 300, 400, 500, 750, 1000]
    assert {features: sorted(found) for features, found in counts.items()} == dict.fromkeys(
        ("image", "image_gradient", "gradient"), wanted
    )
    metrics = {name: e.metric for name, e in benchmark.experiments.items()}
    assert metrics == {"figure5": "deletion", "figure5_localisation": "weak_localisation"}


def test_table_4_retrains_what_the_paper_retrained() -> None:
    benchmark = load_benchmark("paper/table4_roar")
    table = PAPER["table4_roar_auc"]
    assert list(benchmark.models) == [table["model"]]
    assert list(benchmark.roar) == ["cub200", "stanford_dogs"]
    for dataset, roar in benchmark.roar.items():
        assert [100 * fraction for fraction in roar.fractions] == table["removed_percent"]
        assert roar.repeats == table["repeats"]
        assert roar.epochs == PAPER["fine_tuning"]["epochs"]
        assert roar.learning_rate == PAPER["fine_tuning"]["learning_rate"]
        assert set(roar.explainers) == set(table["rows"])
        assert roar.train == f"{dataset}_train"
        assert benchmark.datasets[roar.train].split == "train"  # type: ignore[attr-defined]
        # The same trained model explains images of both splits.
        specs = [benchmark.model_spec(split, "resnet50") for split in (dataset, roar.train)]
        assert specs[0] == specs[1]
        assert specs[0].weights == f"weights/{dataset}/resnet50/weights.safetensors"


@pytest.mark.parametrize("dataset", PAPER["top1_validation_accuracy_percent"])
def test_training_makes_the_weights_that_the_tables_use(dataset: str, paper: Benchmark) -> None:
    name = f"paper/train-{dataset}"
    assert f"--run-dir weights/{dataset}\n" in (config_folder() / f"{name}.yaml").read_text()
    trainings = load_train_configs(name)
    assert set(trainings) == set(paper.models)
    for model, training in trainings.items():
        assert paper.model_spec(dataset, model).weights == (
            f"weights/{dataset}/{model}/weights.safetensors"
        )
        assert training.model == resolved(paper.models[model])
        assert training.recipe.epochs == PAPER["fine_tuning"]["epochs"]
        assert training.recipe.learning_rate == PAPER["fine_tuning"]["learning_rate"]
        assert training.validation == paper.datasets[dataset]
        assert training.train == dataclasses.replace(training.validation, split="train")  # type: ignore[type-var]
