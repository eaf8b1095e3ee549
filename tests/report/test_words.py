"""Every name and text is that of what ran."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from swag.catalog import EXPLAINERS, METRICS
from swag.metrics import IDSDS, Deletion, FFidelity
from swag.metrics.efficiency import Efficiency
from swagflow.config.identity import describe
from swagflow.data import DATASETS
from swagflow.report import known, names
from swagflow.report.names import Labels, flat
from swagflow.report.sections import build_sections
from swagflow.report.source import Run
from swagflow.report.texts import metric_text
from swagflow.report.tuned_texts import roar_cost, tuned_cost
from swagflow.store.described import Described
from swagflow.store.experiments import Roar, Tuning
from tests.support.fake_run import fake_benchmark, fake_explainer, make_run


def labels(**sections: dict[str, object]) -> Labels:
    plain = {"datasets": {}, "models": {}, "explainers": {}, "metrics": {}, **sections}
    return Labels(Described(name="words", **plain))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", names.METHODS)
def test_known_methods_are_those_of_the_catalogue(name: str) -> None:
    preset: Any = EXPLAINERS[name]
    words = {key: value for key, value in flat(asdict(preset)).items() if isinstance(value, str)}
    words.pop("superpixels.implementation", None)
    assert known.METHODS[name] == {"class": type(preset).__name__, **words}


def test_known_data_sets_are_those_of_configurations() -> None:
    assert {name: kind.__name__ for name, kind in DATASETS.items()} == known.DATA
    assert known.METHODS.keys() == names.METHODS.keys()
    assert known.DATA.keys() >= names.DATA.keys()


def test_methods_have_their_name_where_they_are_what_it_says() -> None:
    other = {**fake_explainer("swag_ig"), "superpixels": fake_explainer("swag_g")["superpixels"]}
    finer = fake_explainer("swag")
    finer["superpixels"]["num_segments"] = 900
    found = labels(explainers={"swag": finer, "swag_ig": other, "rise": {"class": "Own"}})
    assert [found.method(name) for name in ("swag", "swag_ig", "rise", "my_own")] == [
        "SWAG",
        "Swag ig",
        "Rise",
        "My own",
    ]


def test_data_sets_and_models_have_their_name_where_they_are_what_it_says() -> None:
    found = labels(
        datasets={"imagenet": {"class": "ImageFolder"}, "cub200": {"class": "CUB200"}},
        models={"resnet50": {"architecture": "resnet18"}, "vgg16": {"architecture": "vgg16"}},
        on={"vgg16": {"cub200": {"architecture": "vgg19"}}},
    )
    assert found.subject("imagenet", "resnet50") == "imagenet, resnet50 (resnet18)"
    assert found.subject("imagenet", "vgg16") == "imagenet, VGG16"
    assert found.subject("cub200", "vgg16") == "CUB-200-2011, vgg16 (vgg19)"


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("architecture", "printed"), [("vgg16", 0.092), ("vgg19", None)])
def test_printed_numbers_stand_beside_what_they_are_of(
    architecture: str, printed: float | None, tmp_path: Path
) -> None:
    benchmark = fake_benchmark(("swag",), ("vgg16",))
    benchmark["models"]["vgg16"]["architecture"] = architecture
    benchmark["datasets"] = {"imagenet": {"class": "ImageNet"}}
    store = make_run(tmp_path, methods=("swag",), models=("vgg16",), benchmark=benchmark)
    folder = tmp_path / "scores" / "metric=deletion"
    (folder / "dataset=digit_scenes").rename(folder / "dataset=imagenet")
    (section,) = build_sections(Run(store))
    assert [cell.paper for cell in section.table.cells] == [printed]


def test_metrics_are_explained_by_their_fields() -> None:
    black = metric_text("deletion", {"class": "Deletion", "steps": 10, "fill": "black"})
    assert "replaced by black, the most salient first, in 10 equal steps" in black.definition
    other = metric_text("dark", {"class": "Insertion", "steps": 1, "fill": "black"})
    assert other.label == "Insertion AUC, dark"
    assert "in 1 equal step " in other.definition
    mask = metric_text("energy_in_box", {"class": "EnergyInBox", "truth": "mask"})
    assert (mask.label, "mask" in mask.definition) == ("Energy in the mask", True)


def test_curves_are_explained_by_their_fields() -> None:
    road = metric_text("road", describe(METRICS["road"]))
    assert road.label == "MoRF AUC (pixels, imputed, accuracy)"
    assert "at 10%, 20%, 30%, 40%, 50%, 70%, 90%" in road.definition
    assert road.points == (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
    irof = metric_text("irof", describe(METRICS["irof"]))
    assert irof.label == "MoRF AOC (superpixels, image mean, relative)"
    assert irof.definition == (
        "Superpixels (SLIC, about 300) are replaced by the image's own mean colour, the most "
        "salient first, in 28 steps; the score is the area over the probability of the class, of "
        "the whole image's."
    )
    difference = metric_text("abpc", describe(METRICS["abpc"]))
    assert difference.label == "LeRF less MoRF AUC (8 px squares, mean colour)"
    assert "the area between the two curves of the probability" in difference.definition
    assert (difference.from_zero, difference.falls, road.falls) == (False, False, True)
    blurred = metric_text("insertion_blur", describe(METRICS["insertion_blur"]))
    assert "come back where there was the blurred image (sigma 5)" in blurred.definition
    assert blurred.curve_x == "Pixels inserted"


def test_metrics_of_tuned_models_are_explained_by_their_fields() -> None:
    finer = metric_text("idsds", describe(IDSDS(cells=5, score="probability")))
    assert finer.label == "IDSDS"
    assert "Each of the 25 cells of a 5\u00d75 grid alone" in finer.definition
    assert "what the class loses of its probability" in finer.definition
    less = FFidelity(fractions=(0.2, 0.6), alpha=0.4, beta=0.05, num_samples=7)
    text = metric_text("mine", describe(less))
    assert text.label == "F-Fidelity, mine"
    assert "most salient 20%, 60% of an image" in text.definition
    assert "a share of 0.4 of them, and never more than 5% of the image" in text.definition
    assert "7 random draws of each share" in text.definition
    assert (text.points, text.from_zero) == ((0.2, 0.6), False)


def costing(metric: str, fields: dict[str, Any], **more: Any) -> Described:
    plain: dict[str, Any] = {"datasets": {}, "models": {}, "explainers": {}, **more}
    tuned = {"tuned_with": {"class": "P"}}
    return Described(name="costs", metrics={metric: {**fields, **tuned}}, **plain)


def test_the_cost_of_a_tuned_model_is_counted_in_passes() -> None:
    tuning = {"a": Tuning(train="t", epochs=3), "b": Tuning(train="t", epochs=3)}
    counts = {"num_images": {"a": 5, "t": 200}, "tuning": tuning}
    once = "Cost: each model is fine-tuned once for all methods, 3 epochs of 200 images each "
    once += "(600 images forward and backward)"
    found = tuned_cost(costing("x", describe(IDSDS(cells=3)), **counts), "x", ("a", "b"))
    assert found == f"{once}. Then 10 passes an image serve all methods."
    less = describe(FFidelity(fractions=(0.2, 0.6), num_samples=300))
    found = tuned_cost(costing("x", less, **counts), "x", ("a",))
    assert found == f"{once}. Then 1,200 passes an image for each method, and one for all."
    found = tuned_cost(costing("x", {"class": "IDSDS", "module": "m"}, **counts), "x", ("a",))
    assert found == f"{once}."
    assert tuned_cost(described_of(Deletion()), "x", ("a",)) == ""


def described_of(metric: object) -> Described:
    plain: dict[str, Any] = {"datasets": {}, "models": {}, "explainers": {}}
    return Described(name="costs", metrics={"x": describe(metric)}, **plain)


def test_the_cost_of_retraining_is_counted_in_passes() -> None:
    roar = Roar(train="t", explainers=("p", "q"), fractions=(0.0, 0.5), repeats=2, epochs=4)
    described = costing("x", {}, num_images={"t": 10}, roar={"a": roar})
    assert roar_cost(described) == (
        "Cost: 6 trainings of each model, 4 epochs of 10 images each (40 images forward and "
        "backward)."
    )


def test_a_metric_of_one_s_own_is_called_by_its_name_and_says_what_it_is() -> None:
    text = metric_text("my_score", {"class": "Mine", "about": "How mine it is."})
    assert (text.label, text.definition) == ("My score", "How mine it is.")
    same = metric_text("deletion", {"class": "Deletion", "module": "mine", "about": "Mine."})
    assert (same.label, same.definition) == ("Deletion", "Mine.")


def test_every_metric_of_the_catalogue_is_explained() -> None:
    for name, metric in {**METRICS, "efficiency": Efficiency(images=3)}.items():
        assert len(metric_text(name, describe(metric)).definition) > 40
