"""The browser of images holds the stored scores, and pictures of the images worth a look."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from swagflow.cli.report import write_report
from swagflow.errors import UserError
from swagflow.page import browser, browser_pictures, build_report
from swagflow.page.browser import browser_of, of_interest
from swagflow.report.sections import build_sections
from swagflow.report.source import Run
from swagflow.store.run_folder import Store
from tests.support.fake_run import FakeDataset, fake_benchmark, make_run
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("undrawn")
METHODS = ("random", "grad_cam", "swag_g")
MODELS = ("tiny_vgg", "tiny_resnet")


def fake_dataset(_name: str) -> Any:
    return FakeDataset()


def made(folder: Path, **more: Any) -> Store:
    benchmark = fake_benchmark(METHODS, MODELS)
    benchmark["subjects"] = {f"digit_scenes/{model}": {} for model in MODELS}
    return make_run(folder, methods=METHODS, num_images=20, benchmark=benchmark, **more)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    errors = {("grad_cam", "scene-0002"): "no memory"}
    return made(tmp_path_factory.mktemp("run"), errors=errors)


def data_of(store: Store, dataset: Any = None, **more: int) -> Any:
    run = Run(store)
    found = browser_of(run, build_sections(run, drawn=False), lambda _: dataset, **more)
    assert found is not None
    return json.loads(json.dumps(found.data)), found.files


def unpacked(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, len(METHODS))


def test_it_holds_every_stored_score(store: Store) -> None:
    data, files = data_of(store)
    assert not files
    assert [each["name"] for each in data["methods"]] == list(METHODS)
    assert [each["kind"] for each in data["methods"]] == ["control", "region", "region"]
    rows = store.read_scores("deletion")
    for subject, model in zip(data["subjects"], MODELS, strict=True):
        own = rows[rows["model"] == model]
        wanted = own.pivot(index="image_id", columns="explainer", values="value")
        wanted = wanted.loc[subject["images"], list(METHODS)].to_numpy(np.float32)
        np.testing.assert_array_equal(unpacked(subject["values"]["deletion"]), wanted)
        targets = own.drop_duplicates("image_id").set_index("image_id")["target"]
        named = [subject["classes"][place] for place in subject["target"]]
        assert named == [f"class {targets[image]}" for image in subject["images"]]
        assert subject["total"] == len(subject["images"]) == 20
        assert subject["correct"] == "?" * 20


def test_what_models_said_is_there_where_it_is_stored(runner: Runner) -> None:
    assert runner(explainers=["random", "centre"]) == 0, runner.output
    data, _ = data_of(Store(runner.uri))
    rows = (
        Store(runner.uri).read_scores("deletion").drop_duplicates("image_id").set_index("image_id")
    )
    (subject,) = data["subjects"]
    right = (rows["label"] == rows["prediction"]).loc[subject["images"]]
    assert subject["correct"] == "".join("1" if each else "0" for each in right)
    assert set(subject["correct"]) <= {"0", "1"}


def test_pictures_are_of_first_images_extremes_and_disagreements(store: Store) -> None:
    data, _ = data_of(store, FakeDataset(), num_pictured=4)
    rows = store.read_scores("deletion")
    own = rows[rows["model"] == "tiny_resnet"]
    values = own.pivot(index="image_id", columns="explainer", values="value")
    mean, spread = values.mean(axis=1), values.std(axis=1, ddof=0)
    wanted = ["scene-0000", mean.idxmin(), mean.idxmax(), spread.idxmax()]
    images = data["subjects"][1]["images"]
    there = {images[int(key.split("/")[1])] for key in data["pictures"] if key.startswith("1/")}
    assert there >= set(wanted[:3])
    assert len(there) == 4
    for picture in data["pictures"].values():
        assert picture["image"].startswith("data:image/jpeg;base64,")
        assert set(picture["tiles"]) == set(METHODS)
        assert {len(curve) for curve in picture["curves"]["deletion"].values()} == {29}


def test_without_the_data_there_are_maps_alone(store: Store) -> None:
    data, _ = data_of(store)
    assert data["pictures"]
    for picture in data["pictures"].values():
        assert picture["image"] is None
        assert set(picture["tiles"]) == set(METHODS)


def test_a_large_run_is_cut_to_its_first_images(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "MOST_NUMBERS", 2 * 3 * 7)
    data, _ = data_of(store)
    for subject in data["subjects"]:
        assert subject["images"] == [f"scene-{number:04d}" for number in range(7)]
        assert subject["total"] == 20
        assert unpacked(subject["values"]["deletion"]).shape == (7, 3)


def test_many_pictures_lie_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_pictures, "MOST_BYTES", 1000)
    store = made(tmp_path)
    paths = build_report(store, open_datasets=fake_dataset, num_pictured=5)
    html = (tmp_path / "report.html").read_text("utf-8")
    found = re.search(r'id="browser-data">(.*?)</script>', html, re.DOTALL)
    assert found
    pictures = json.loads(found[1])["pictures"]
    assert len(pictures) == 10
    named = {picture["image"] for picture in pictures.values()}
    named |= {path for picture in pictures.values() for path in picture["tiles"].values()}
    assert len(named) == 10 * (1 + len(METHODS))
    assert named == {path for path in paths if path.startswith("pictures/")}
    for path in named:
        assert (tmp_path / path).read_bytes().startswith(b"\xff\xd8")
    assert "img-src data: &#39;self&#39;;" in html


def test_the_command_counts_pictures_and_names_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_pictures, "MOST_BYTES", 1000)
    monkeypatch.setattr("swagflow.config.load.datasets_of", _not_at_hand)
    console = Console(file=io.StringIO(), width=300)
    store = made(tmp_path)
    assert write_report(store.uri, console, num_pictured=5) == 0
    told = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert told[0] == f"{store.uri}/pictures/ (30 pictures)"
    assert told[-1] == f"{store.uri}/report.html"
    assert f"{store.uri}/tables/table1_deletion.csv" in told
    assert sum("pictures/" in line for line in told) == 1


def _not_at_hand(_entries: object) -> Any:
    raise UserError("not here")


def test_a_page_alone_loads_nothing_from_beside_it(tmp_path: Path) -> None:
    build_report(made(tmp_path), open_datasets=fake_dataset)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "img-src data:;" in html
    assert not (tmp_path / "pictures").exists()


@given(
    arrays(np.float64, (7, 3), elements=st.sampled_from([0.0, 0.5, 1.0, np.nan])),
    st.integers(0, 9),
)
def test_images_of_interest_are_different_ones_with_a_value(value_NM: Any, number: int) -> None:
    found = of_interest(value_NM, number)
    (there,) = np.nonzero(~np.isnan(value_NM).all(axis=1))
    assert len(found) == len(set(found)) == min(number, len(there))
    assert set(found) <= set(there.tolist())


def test_images_of_interest_by_hand() -> None:
    value_NM = np.array([[0.5, 0.5], [0.1, 0.1], [0.9, 0.8], [0.2, 0.7], [np.nan, np.nan]])
    assert of_interest(value_NM, 4) == [0, 1, 2, 3]
    assert of_interest(value_NM, 2) == [0, 1]
