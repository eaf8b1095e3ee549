"""Remove and retrain: jobs, removal masks, and training that an interruption does not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swagflow.config.load import resolve
from swagflow.engine.masked_images import RemovedPixels, removal_bits
from swagflow.engine.roar import RoarWorker
from swagflow.engine.roar_jobs import jobs_of
from swagflow.errors import UserError
from swagflow.store.files import Folder
from swagflow.store.parts import Cell, CellName, Maps, Rows
from swagflow.store.run_folder import Store
from swagflow.train import fitting
from swagflow.train.fitting import fit
from swagflow.train.recipe import Fit
from tests.support.benchmarks import described, wanted
from tests.support.plugins import toy_cnn
from tests.support.runs import ROAR, SECTIONS, Runner, changed

pytestmark = pytest.mark.usefixtures("quick_report")

SUBJECTS = {(name, "toy"): {"dataset": name, "model": "m"} for name in ("squares", "more_squares")}

Found = Iterator[tuple[str, list[np.ndarray]]]


def test_fraction_zero_is_one_job_for_all_methods() -> None:
    jobs = jobs_of(described(resolve(changed(**SECTIONS)), SUBJECTS))
    assert [(job.explainer, job.fraction, job.repeat) for job in jobs] == [
        ("none", 0.0, 0), ("brightness", 0.5, 0), ("centre", 0.5, 0),
        ("none", 0.0, 1), ("brightness", 0.5, 1), ("centre", 0.5, 1),
    ]  # fmt: skip
    assert len({job.key for job in jobs}) == 6


def test_more_methods_or_repeats_change_no_job() -> None:
    few = jobs_of(described(resolve(changed(**SECTIONS)), SUBJECTS))
    roar = {**ROAR, "repeats": 3, "explainers": ["brightness", "centre", "swag_ig"]}
    explainers = {**SECTIONS["explainers"], "swag_ig": {}}
    more = resolve(changed(**{**SECTIONS, "roar": {"squares": roar}, "explainers": explainers}))
    assert {job.key for job in few} < {job.key for job in jobs_of(described(more, SUBJECTS))}


def test_images_that_train_are_explained_but_not_scored() -> None:
    benchmark = resolve(changed(**SECTIONS))
    assert wanted(benchmark, "more_squares", "toy") == [("brightness", None), ("centre", None)]
    assert ("brightness", "deletion") in wanted(benchmark, "squares", "toy")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": "no_squares"}, r"unknown key 'roar.squares.train'"),
        ({"fractions": [0.0, 1.0]}, r"fractions must lie in \[0, 1\)"),
        ({"repeats": 0}, r"repeats must be at least 1, got 0"),
        ({"explainers": ["lime"]}, r"unknown key 'roar.squares.explainers.lime'"),
    ],
)
def test_bad_settings(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(changed(**{**SECTIONS, "roar": {"squares": {**ROAR, **fields}}}))


def test_the_most_salient_pixels_are_removed_by_the_tie_rule(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    saliency_HW = np.array([[1, 5, 1, 1], [5, 2, 1, 1]], np.float32)
    cell = Cell(CellName("squares", "toy", "swag", None), "00" * 32)
    rows = Rows(["a"], [None], [0])
    store.write_explanations(cell, (0, 0), rows, Maps(saliency_HW[None], 0.0, "region"))
    ((image_id, bits),) = removal_bits(store, ("squares", "toy", "swag"), [0.5, 0.3])
    assert image_id == "a"
    half, third = (np.unpackbits(each, count=8).reshape(2, 4).astype(bool) for each in bits)
    assert half.tolist() == [[True, True, False, False], [True, True, False, False]]
    assert third.tolist() == [[False, True, False, False], [True, False, False, False]]


def test_removed_pixels_are_found_once_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, float]] = []

    def find(_store: Store, cell: tuple[str, str, str], fractions: list[float]) -> Found:
        found.extend((cell[2], fraction) for fraction in fractions)
        yield "a", [np.zeros(4, np.uint8) for _ in fractions]

    monkeypatch.setattr("swagflow.engine.masked_images.removal_bits", find)
    removed = RemovedPixels(Store(str(tmp_path)), most_bytes=11)  # two of them
    for explainer, fraction in [("x", 0.1), ("x", 0.5), ("x", 0.1), ("y", 0.1), ("x", 0.1)]:
        assert removed.of(("data", "model", explainer), fraction)["a"].nbytes == 4
    assert found == [("x", 0.1), ("x", 0.5), ("y", 0.1)]
    removed.of(("data", "model", "x"), 0.5)  # made room for y
    assert found[3:] == [("x", 0.5)]
    small = RemovedPixels(Store(str(tmp_path)), most_bytes=3)
    assert small.of(("data", "model", "x"), 0.5)["a"].nbytes == 4  # though there is none


def test_removed_pixels_of_all_fractions_are_found_together_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[list[float]] = []

    def find(_store: Store, _cell: tuple[str, str, str], fractions: list[float]) -> Found:
        found.append(fractions)
        for image_id in ("a", "b"):
            yield image_id, [np.full(4, 100 * fraction, np.uint8) for fraction in fractions]

    monkeypatch.setattr("swagflow.engine.masked_images.removal_bits", find)
    cell = ("data", "model", "x")
    fractions = [0.1, 0.5, 0.9]
    removed = RemovedPixels(Store(str(tmp_path)), most_bytes=24)
    for fraction in [0.5, 0.1, 0.9, 0.5]:
        bits = removed.of(cell, fraction, fractions)
        assert {name: set(each) for name, each in bits.items()} == {
            "a": {100 * fraction},
            "b": {100 * fraction},
        }
    assert found == [[0.5, 0.1, 0.9]]
    scarce = RemovedPixels(Store(str(tmp_path)), most_bytes=23)
    for fraction in [0.5, 0.1, 0.5]:
        assert set(scarce.of(cell, fraction, fractions)) == {"a", "b"}, "of every image"
    assert len(found) == 3, "each was found alone, and two have room"


def test_removed_pixels_are_the_mean_colour(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of every image that the training sees is 0 after normalisation, the brightest half."""
    seen: list[Tensor] = []

    def spy(model: nn.Module, batches: fitting.Batches, *_: object) -> None:
        seen.extend(x_BCHW for x_BCHW, _ in batches(0))
        model.eval()

    monkeypatch.setattr("swagflow.engine.roar.fit", spy)
    roar = {**ROAR, "explainers": ["brightness"], "repeats": 1}
    assert runner(**{**SECTIONS, "roar": {"squares": roar}}) == 0
    whole, masked = torch.cat(seen[:2]), torch.cat(seen[2:])
    assert whole.shape == masked.shape == (8, 3, 16, 16)
    assert (whole == 0).float().mean() < 0.05
    assert ((masked == 0).all(1).flatten(1).sum(1) == 128).all()
    assert masked.sum() < whole.sum()


def roar_table(folder: Path) -> list[tuple[object, ...]]:
    frame = Store(str(folder)).read_roar()
    names = ["explainer", "removed_fraction", "repeat", "accuracy", "epochs"]
    return sorted(tuple(row) for row in frame[names].itertuples(index=False))


def test_a_run_trains_every_job_once(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runner(**SECTIONS) == 0
    assert "6 models to retrain" in runner.output
    table = roar_table(runner.folder)
    assert len(table) == 6
    assert all(0 <= float(str(row[3])) <= 1 for row in table)
    assert not list(runner.folder.rglob("*.checkpoint"))
    monkeypatch.setattr(RoarWorker, "run", None)
    assert runner(**SECTIONS) == 0
    assert roar_table(runner.folder) == table


def test_another_recipe_is_another_benchmark(runner: Runner) -> None:
    runner(**SECTIONS)
    assert runner(**{**SECTIONS, "roar": {"squares": {**ROAR, "epochs": 4}}}) == 2
    assert "its roar.squares.epochs is 3, and 4 is asked for" in runner.output
    assert runner(**{**SECTIONS, "roar": {"squares": {**ROAR, "repeats": 3}}}) == 0
    assert "3 models to retrain" in runner.output


class Stopped(BaseException):
    """Stands for a kill: nothing in the program catches it."""


def test_a_killed_job_goes_on_from_its_last_epoch(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner(**SECTIONS)
    expected = roar_table(runner.folder)
    (tmp_path / "other").mkdir()
    other = Runner(tmp_path / "other")
    epochs: list[int] = []
    train = fitting._epoch

    def stop_in_the_ninth(*arguments: Any, **options: Any) -> float:
        epochs.append(arguments[-1])
        if len(epochs) == 9:
            raise Stopped
        return train(*arguments, **options)

    monkeypatch.setattr(fitting, "_epoch", stop_in_the_ninth)
    with pytest.raises(Stopped):
        other(**SECTIONS)
    assert len(list(other.folder.rglob("*.checkpoint"))) == 1
    assert other(**SECTIONS) == 0
    assert epochs[8:11] == [2, 2, 0], "the third job goes on with its third epoch"
    assert len(epochs) == 6 * 3 + 1
    assert roar_table(other.folder) == expected


def test_a_job_that_fails_is_a_row_with_its_error(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("swagflow.engine.roar.fit", fail)
    assert runner(**SECTIONS) == 1
    frame = Store(str(runner.folder)).read_roar()
    assert frame["accuracy"].isna().all()
    (error,) = set(frame["error"])
    assert error.startswith("RuntimeError: CUDA out of memory [failures/")
    (file,) = (runner.folder / "failures").iterdir()
    text = file.read_text()
    assert "in _train\n    fit(classifier.model, batches, recipe, checkpoint)" in text
    assert "job:       retraining 0 without 0%" in text


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_fit_resumes_to_the_same_bits(tmp_path: Path, optimizer: Any) -> None:
    """Dropout included: its randomness depends on the epoch only."""
    recipe = Fit(epochs=4, learning_rate=0.01, batch_size=2, optimizer=optimizer, schedule="cosine")
    x_NCHW = torch.rand(6, 3, 16, 16)
    label_N = torch.tensor([0, 1, 0, 1, 1, 0])

    def batches(epoch: int) -> Any:
        order = torch.arange(6).roll(epoch)
        return [(x_NCHW[i], label_N[i]) for i in order.split(2)]

    def stop_after_the_second(epoch: fitting.Epoch) -> None:
        if epoch.number == 1:
            raise Stopped

    def model() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Dropout(0.3), toy_cnn())

    whole, broken = model(), model()
    fit(whole, batches, recipe, Folder.at(str(tmp_path)).file("whole"))
    checkpoint = Folder.at(str(tmp_path)).file("broken")
    with pytest.raises(Stopped):
        fit(model(), batches, recipe, checkpoint, stop_after_the_second)
    fit(broken, batches, recipe, checkpoint)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, broken.state_dict()[name])


def test_fit_learns() -> None:
    x_NCHW = torch.zeros(16, 3, 16, 16)
    x_NCHW[8:] = 1.0
    label_N = torch.arange(16) // 8
    torch.manual_seed(0)
    model = toy_cnn()
    losses: list[float] = []

    class Nowhere:
        def read(self) -> None:
            return None

        def write(self, content: bytes) -> None:
            assert content

    recipe = Fit(epochs=60, learning_rate=0.03, batch_size=16, optimizer="adamw")
    fit(model, lambda _: [(x_NCHW, label_N)], recipe, Nowhere(), lambda e: losses.append(e.loss))
    assert losses[-1] < 0.1 < losses[0]
    assert (model(x_NCHW).argmax(1) == label_N).all()
    assert not model.training
