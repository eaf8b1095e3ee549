"""What a run explains and what it says of the images: targets, labels, predictions, accuracy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pytest
from torch import nn

from swagflow.data import Sample
from swagflow.store.run_folder import Store
from tests.support.plugins import Squares, _Squares
from tests.support.runs import Runner

CENTRE: dict[str, Any] = {"explainers": {"centre": {}}}
EXPERIMENT = {"metric": "deletion", "explainers": ["centre"]}


@dataclass(frozen=True, kw_only=True)
class Unlabelled(Squares):
    """Squares of which each third has no label, or, without classes, none has."""

    classes: tuple[str, ...] = ("left", "right")

    def open(self) -> Any:
        return _Unlabelled(self)


class _Unlabelled(_Squares):
    def __init__(self, config: Unlabelled) -> None:
        super().__init__(config)
        self.class_names = config.classes

    def load(self, image_id: str) -> Sample:
        sample = super().load(image_id)
        lost = int(image_id.partition("/")[2]) % 3 == 2 or not self.class_names
        return replace(sample, label=None) if lost else sample


UNLABELLED = {"type": "tests.engine.test_targets:Unlabelled"}


def rows(runner: Runner) -> pd.DataFrame:
    return runner.scores().sort_values("image_id").reset_index(drop=True)


@pytest.mark.usefixtures("quick_report")
def test_rows_say_what_the_model_said(runner: Runner) -> None:
    assert runner("datasets.squares.bad_every=4", **CENTRE) == 1
    found = rows(runner)
    good = found[found["error"].isna()]
    assert good["label"].tolist() == [int(name[-1]) % 2 for name in good["image_id"]]
    assert (good["target"] == good["prediction"]).all()
    assert good["probability"].between(0.5, 1).all()
    assert (good["probability"] == good["target_probability"]).all()
    bad = found[found["error"].notna()]
    assert len(bad) == 2
    assert bad[["label", "prediction", "probability", "target_probability"]].isna().all(axis=None)


@pytest.mark.usefixtures("quick_report")
@pytest.mark.parametrize("target", ["label", "top:2", 1, "right"])
def test_another_class_is_explained(target: str | int, runner: Runner) -> None:
    assert runner(**CENTRE, target=target) == 0
    found = rows(runner)
    expected = {"label": found["label"], "top:2": 1 - found["prediction"]}.get(str(target), 1)
    assert (found["target"] == expected).all()
    whole = [curve[0] for curve in found["curve"]]
    assert found["target_probability"].tolist() == pytest.approx(whole)
    assert runner(**CENTRE, target=target) == 0
    assert (
        "holds every row" in runner.output.lower() or "nothing to compute" in runner.output.lower()
    )
    assert runner(**CENTRE) == 2
    assert "its target is" in runner.output


@pytest.mark.usefixtures("quick_report")
def test_images_without_a_label_are_errors_where_it_is_explained(runner: Runner) -> None:
    assert runner(**CENTRE, datasets={"squares": UNLABELLED}, target="label") == 1
    found = rows(runner)
    lost = found[found["error"].notna()]
    assert lost["image_id"].tolist() == ["square/2", "square/5"]
    assert set(lost["error"]) == {"the image has no label, which is to be explained"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"target": "top:3"}, "target top:3: the model has 2 classes"),
        ({"target": 2}, "target 2: the model has 2 classes, 0 to 1"),
        ({"target": "lefd"}, "target 'lefd' is the name of 0 of the 2 classes"),
        ({"target": 0.5}, "target: wanted predicted, label, top:K or a class, got 0.5"),
        ({"target": True}, "target: wanted predicted, label, top:K or a class, got True"),
        (
            {"target": "label", "datasets": {"squares": {**UNLABELLED, "classes": []}}},
            "target: label: squares has no labels, and toy tells 2 apart",
        ),
        (
            {
                "datasets": {"squares": {**UNLABELLED, "classes": ["a", "b", "c"]}},
                "experiments": {"one": {**EXPERIMENT, "only_correct": True}},
            },
            "experiments.one.only_correct: squares has 3 classes, and toy tells 2 apart",
        ),
    ],
)
def test_what_cannot_be_explained_is_refused_before_the_run(
    raw: dict[str, Any], message: str, runner: Runner
) -> None:
    assert runner(**CENTRE, **raw) == 2
    assert message in " ".join(runner.output.split())
    assert not runner.folder.exists() or not any(runner.folder.rglob("*.parquet"))


@pytest.mark.slow
def test_the_report_shows_accuracy_and_tables_of_correct_images(runner: Runner) -> None:
    experiments = {"all": EXPERIMENT, "right": {**EXPERIMENT, "only_correct": True}}
    raw: dict[str, Any] = {"explainers": {"centre": {}, "swag": {}}, "experiments": experiments}
    assert runner("datasets.squares.images=12", **raw) == 0
    found = rows(runner)
    one = found[found["explainer"] == "centre"]
    right = one["label"] == one["prediction"]
    assert 0 < right.sum() < 12, "the toy model knows some"
    accuracy = pd.read_csv(runner.folder / "tables" / "accuracy.csv")
    assert accuracy["accuracy"].tolist() == pytest.approx([right.mean()])
    assert accuracy["n"].tolist() == [12]
    tables = runner.folder / "tables"
    whole, correct, only = (
        pd.read_csv(tables / name).set_index("method").loc["centre"]
        for name in ("all_deletion.csv", "all_deletion_correct.csv", "right_deletion.csv")
    )
    assert whole["mean"] == pytest.approx(one["value"].mean(), rel=1e-5)
    for table in (correct, only):
        assert table["mean"] == pytest.approx(one[right]["value"].mean(), rel=1e-5)
        assert table["n"] == right.sum()
    page = (runner.folder / "report.html").read_text()
    assert "Explained is the class that the model predicts." in page
    assert 'data-images="correct" hidden' in page
    assert "Only images that the model gives their label." in page
    assert "no better than guessing one of 2 classes" in page


@pytest.mark.usefixtures("quick_report")
def test_labels_of_other_classes_than_the_model_s_are_not_stored(runner: Runner) -> None:
    datasets = {"squares": {**UNLABELLED, "classes": ["a", "b", "c"]}}
    assert runner(**CENTRE, datasets=datasets) == 0
    found = rows(runner)
    assert found["label"].isna().all()
    assert found["prediction"].notna().all()
    assert Store(runner.uri).read_benchmark().target == "predicted"


def grey_cnn() -> nn.Module:
    """A small model that sees grey images."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 2),
    )


@pytest.mark.usefixtures("quick_report")
def test_a_grey_model_sees_photographs_in_grey(runner: Runner) -> None:
    spec = {"architecture": "tests.engine.test_targets:grey_cnn", "weights": "random:0"}
    models = {"grey": {**spec, "mean": [0.5], "std": [0.25]}}
    explainers = {"centre": {}, "swag": {"superpixels": {"num_segments": 6}}}
    roar = {"train": "more", "explainers": ["centre"], "fractions": [0.0, 0.5], "repeats": 1}
    datasets = {
        "squares": {"type": "tests.support.plugins:Squares"},
        "more": {"type": "tests.support.plugins:Squares", "generation": 1},
    }
    fast = {**roar, "epochs": 1, "batch_size": 4}
    raw: dict[str, Any] = {"models": models, "explainers": explainers, "datasets": datasets}
    assert runner(**raw, roar={"squares": fast}) == 0
    assert rows(runner)["value"].notna().all()
    assert Store(runner.uri).read_roar()["accuracy"].notna().all()
