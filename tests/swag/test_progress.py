"""How far a method is: what is told, to whom, and that nothing is told by default."""

from __future__ import annotations

import io

import pytest
import torch

import swag
from swag import progress
from swag.adapters.adapted import Adapted
from swag.classifier import Classifier
from swag.explainers.rise import RISE
from swag.signals import Signals
from swag.types import Batch
from tests.support.toys import images, toy_cnn


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told_by(method: swag.Explainer, count: int = 2) -> list[tuple[int, int | None]]:
    told: list[tuple[int, int | None]] = []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))

    swag.explain(toy_cnn(), images(count), method=method, progress=tell, batch_size=8)
    return told


def test_each_pass_is_told_and_all_of_them_in_the_end() -> None:
    told = told_by(RISE(num_masks=12))
    assert told == [(2, 26), (10, 26), (18, 26), (26, 26)]
    assert told_by(swag.EXPLAINERS["grad_cam"]) == [(2, 2)]


def test_of_another_librarys_method_the_number_is_not_known() -> None:
    method = Adapted(method="captum:FeatureAblation")
    (*_, (done, total)) = told_by(method, 1)
    assert done > 10
    assert total is None


def test_a_classifier_tells_inside_the_block_only() -> None:
    classifier = Classifier(toy_cnn())
    assert classifier.tell is None
    with pytest.raises(ValueError, match="targets must be classes"):
        swag.explain(classifier, images(1), method="rise", target=99, progress=print)
    assert classifier.tell is None
    batch = Batch(images(1), ("0",))
    with progress.watched(classifier, RISE(num_masks=3), 1, None):
        RISE(num_masks=3)(Signals(classifier, batch))


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_terminal_has_a_line_that_changes(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_CHANGES", 0.0)
    torch.manual_seed(0)
    swag.explain(toy_cnn(), images(1), method=RISE(num_masks=9), progress=True, batch_size=5)
    end = "\r" if stream.isatty() else "\n"
    *lines, rest = stream.getvalue().split(end)
    assert [line.strip() for line in lines if line.strip()] == [
        "RISE: 1 of 10 images and copies",
        "RISE: 6 of 10 images and copies",
        "RISE: 10 of 10 images and copies",
    ]
    assert rest == ""


def test_nothing_is_told_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    swag.explain(toy_cnn(), images(1), method=RISE(num_masks=9))
    assert capsys.readouterr() == ("", "")
