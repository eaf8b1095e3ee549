"""The insertion curve is the deletion curve run backwards over the same order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import swag.curves.ranks
from swag.classifier import Classifier
from swag.metrics.deletion import Deletion
from swag.metrics.insertion import Insertion
from swag.metrics.perturbation import PerturbationCurve
from swag.signals import Signals
from tests.support import reference
from tests.support.toys import (
    Counted,
    Fraction,
    batch_of,
    classifier_of,
    curve_of,
    images,
    take,
    toy,
    toy_cnn,
    untouched,
)


def fraction_signals(image_BCHW: Tensor) -> Signals:
    """Signals of a model that gives class 0 the sum of all values as its probability."""
    classifier = Classifier(Fraction(), mean=[0, 0, 0], std=[1, 1, 1], batch_size=3)
    target_B = torch.zeros(len(image_BCHW), dtype=torch.int64)
    return Signals(classifier, batch_of(image_BCHW, target_B=target_B))


def random_maps(count: int, size: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 9, (count, size, size))).float()


def test_by_hand_on_two_by_two() -> None:
    image_1CHW = torch.tensor([[0.4, 0.3], [0.2, 0.1]]).expand(1, 3, 2, 2) / 3
    saliency_1HW = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    score = Insertion(steps=4)(fraction_signals(image_1CHW), saliency_1HW)
    expected = torch.tensor([[0.0, 0.4, 0.7, 0.9, 1.0]])
    torch.testing.assert_close(score.curve_BT, expected, atol=1e-6, rtol=0)
    assert float(score.value_B) == pytest.approx((0.4 + 0.7 + 0.9 + 1.0 / 2) / 4, abs=1e-6)


@pytest.mark.parametrize("fill", ["mean", "black"])
@pytest.mark.parametrize("steps", [1, 3, 7, 28])
def test_equals_pixels_put_in_one_by_one(fill: str, steps: int) -> None:
    classifier, batch = toy(), batch_of(images(2, 16))
    signals, saliency_BHW = Signals(classifier, batch), random_maps(2, 16)
    score = Insertion(steps=steps, fill=fill)(signals, saliency_BHW)  # type: ignore[arg-type]
    colour = 0.5 if fill == "mean" else 0.0
    for index in range(2):
        target = int(signals.target_B[index])

        def probability(image_CHW: Tensor, target: int = target) -> float:
            x_1CHW = (image_CHW[None] - 0.5) / 0.25
            return float(classifier.model(x_1CHW).softmax(1)[0, target])

        expected = insertion_curve(
            probability, batch.image_BCHW[index], saliency_BHW[index], steps, colour
        )
        np.testing.assert_allclose(curve_of(score)[index].numpy(), expected, atol=1e-6)
        assert float(score.value_B[index]) == pytest.approx(reference.area(expected), abs=1e-6)


def insertion_curve(
    probability: Callable[[Tensor], float],
    image_CHW: Tensor,
    saliency_HW: Tensor,
    steps: int,
    colour: float,
) -> list[float]:
    """The scores of a blank image into which pixels come one by one, noted after each full step."""
    blank_CHW = torch.full_like(image_CHW, colour)
    value = saliency_HW.flatten().tolist()
    order = sorted(range(len(value)), key=lambda pixel: (-value[pixel], pixel))
    per_step, width = -(-len(order) // steps), saliency_HW.shape[1]
    scores = [probability(blank_CHW)]
    for count, pixel in enumerate(order, start=1):
        row, column = divmod(pixel, width)
        blank_CHW[:, row, column] = image_CHW[:, row, column]
        if count % per_step == 0 or count == len(order):
            scores.append(probability(blank_CHW))
    return scores


def test_ends_are_those_of_deletion_swapped() -> None:
    signals, saliency_BHW = Signals(toy(), batch_of(images(3, 16))), random_maps(3, 16)
    inserted = Insertion(steps=16)(signals, saliency_BHW).curve_BT
    deleted = Deletion(steps=16)(signals, saliency_BHW).curve_BT
    assert inserted is not None
    assert deleted is not None
    assert inserted.shape == deleted.shape == (3, 17)
    assert torch.equal(inserted[:, 0], deleted[:, -1])
    assert torch.equal(inserted[:, -1], deleted[:, 0])


@given(st.integers(0, 2**32))
def test_inserting_is_deleting_in_the_opposite_order(seed: int) -> None:
    """Where no values tie and steps divide the pixels, both show the same images."""
    order = np.random.default_rng(seed).permutation(16).reshape(1, 4, 4)
    saliency_1HW = torch.from_numpy(order).float()
    signals = fraction_signals(images(1, 4, seed=seed) / 64)
    inserted = Insertion(steps=8)(signals, saliency_1HW).curve_BT
    deleted = Deletion(steps=8)(signals, -saliency_1HW).curve_BT
    assert inserted is not None
    assert deleted is not None
    assert torch.equal(inserted, deleted.flip(1))


def test_no_passes_but_the_inner_points_and_full_ones() -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model, batch_size=4), batch_of(images(3, 16)))
    _ = signals.target_B
    model.forwards.clear()
    Insertion(steps=7)(signals, random_maps(3, 16))
    assert sum(model.forwards) == 3 * Insertion(steps=7).num_forwards + 1  # and the blank image
    assert sorted(model.forwards)[2:] == [4, 4, 4, 4]


def test_deletion_and_insertion_rank_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked: list[int] = []
    rank = swag.curves.ranks.ranks

    def counted(value_BHW: Tensor, labels_BHW: Tensor | None) -> swag.curves.ranks.Ranks:
        ranked.append(len(value_BHW))
        return rank(value_BHW, labels_BHW)

    monkeypatch.setattr(swag.curves.ranks, "ranks", counted)
    signals, saliency_BHW = Signals(toy(), batch_of(images(2, 16))), random_maps(2, 16)
    Deletion()(signals, saliency_BHW)
    Insertion()(signals, saliency_BHW.clone())
    Insertion(steps=7)(signals, saliency_BHW)
    PerturbationCurve()(signals, saliency_BHW)
    assert ranked == [2]
    PerturbationCurve(order="least_relevant_first")(signals, saliency_BHW)
    assert ranked == [2, 2]


def test_a_saliency_that_was_written_into_is_ranked_anew() -> None:
    signals, saliency_BHW = Signals(toy(), batch_of(images(2, 16))), random_maps(2, 16)
    Deletion()(signals, saliency_BHW)
    saliency_BHW.neg_()
    again = Insertion()(signals, saliency_BHW)
    fresh = Insertion()(Signals(toy(), signals.batch), saliency_BHW)
    assert torch.equal(again.value_B, fresh.value_B)


def test_any_batch_gives_the_same_scores() -> None:
    batch, saliency_BHW = batch_of(images(4, 16)), random_maps(4, 16)
    together = Insertion()(Signals(toy(), batch), saliency_BHW)
    for index in (2, 0):
        part = take(batch, [index])
        alone = Insertion()(Signals(toy(), part), saliency_BHW[index : index + 1])
        torch.testing.assert_close(alone.value_B, together.value_B[index : index + 1])


def test_nothing_is_changed() -> None:
    classifier, batch, saliency_BHW = toy(), batch_of(images(2, 16)), random_maps(2, 16)
    signals = Signals(classifier, batch)
    with untouched(classifier.model, batch.image_BCHW, saliency_BHW):
        Insertion()(signals, saliency_BHW)


def test_errors() -> None:
    signals = Signals(toy(), batch_of(images(1, 16)))
    with pytest.raises(ValueError, match="insertion needs at least 1 step, got 0"):
        Insertion(steps=0)
    with pytest.raises(ValueError, match="fill 'white' is unknown; choose one of mean, black"):
        Insertion(fill="white")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"shape \(1, 4, 4\) does not fit images"):
        Insertion()(signals, torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        Insertion()(signals, torch.full((1, 16, 16), float("nan")))
