"""What must not change a score, and what must change it in a known way, for every metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swag.catalog import METRICS
from swag.metrics import Completeness, Deletion, Infidelity, PerturbationCurve, SensitivityN
from swag.protocols import explanations_of
from swag.signals import Signals
from swag.types import Batch, Score
from tests.support.toys import (
    MEAN,
    STD,
    annotated,
    classifier_of,
    images,
    judged,
    reduced,
    take,
    toy_cnn,
)

CASES = {name: reduced(metric) for name, metric in METRICS.items()}
ALONE = {name: metric for name, metric in CASES.items() if not explanations_of(metric)}
"""Those that need the saliency only, as it is given here."""
CURVES = {
    n: m
    for n, m in ALONE.items()
    if hasattr(m, "num_forwards") and not isinstance(m, Infidelity | SensitivityN | Completeness)
}
DRAWING = {"irof", "f_fidelity", "infidelity", "sensitivity_n"}


class Symmetric(nn.Module):
    """Sees an image and its mirror image as one."""

    def __init__(self) -> None:
        super().__init__()
        self.model = toy_cnn()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.model(x_BCHW.clone()) + self.model(x_BCHW.flip(3))


class Renamed(nn.Module):
    """A model whose classes have other numbers."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.model, self.order = toy_cnn(), order

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.model(x_BCHW)[:, self.order]


def saliency_of(batch: Batch) -> Tensor:
    """Maps without ties."""
    count, _, height, width = batch.image_BCHW.shape
    draws = np.random.default_rng(7)
    ranks = [draws.permutation(height * width) for _ in range(count)]
    return torch.from_numpy(np.stack(ranks)).float().view(count, height, width) - 300


def scored(metric: Any, model: nn.Module, batch: Batch, saliency_BHW: Tensor) -> Score:
    classifier = classifier_of(model.eval(), mean=MEAN, std=STD)
    score: Score = metric(judged(Signals(classifier, batch)), saliency_BHW)
    return score


def assert_same(found: Score, expected: Score) -> None:
    torch.testing.assert_close(
        found.value_B, expected.value_B, atol=1e-5, rtol=1e-5, equal_nan=True
    )
    if expected.curve_BT is not None:
        torch.testing.assert_close(
            found.curve_BT, expected.curve_BT, atol=1e-5, rtol=1e-5, equal_nan=True
        )


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"random_logit"}))
def test_other_numbers_of_classes_change_nothing(name: str) -> None:
    batch = annotated(images(3))
    saliency_BHW = saliency_of(batch)
    expected = scored(CASES[name], toy_cnn(), batch, saliency_BHW)
    found = scored(CASES[name], Renamed([3, 0, 4, 1, 2]), batch, saliency_BHW)
    assert_same(found, expected)


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_images_is_that_of_their_scores(name: str) -> None:
    batch = annotated(images(3))
    saliency_BHW = saliency_of(batch)
    expected = scored(CASES[name], toy_cnn(), batch, saliency_BHW)
    order = [2, 0, 1]
    found = scored(CASES[name], toy_cnn(), take(batch, order), saliency_BHW[order])
    assert_same(
        found,
        Score(
            expected.value_B[order],
            expected.curve_BT[order] if expected.curve_BT is not None else None,
        ),
    )


@pytest.mark.parametrize("name", sorted(ALONE.keys() - {"completeness"}))
def test_a_larger_scale_of_a_map_changes_nothing(name: str) -> None:
    batch = annotated(images(3))
    saliency_BHW = saliency_of(batch)
    expected = scored(CASES[name], toy_cnn(), batch, saliency_BHW)
    assert_same(scored(CASES[name], toy_cnn(), batch, 4 * saliency_BHW), expected)


@pytest.mark.parametrize("name", sorted(ALONE.keys() - DRAWING))
def test_a_mirror_shows_the_same(name: str) -> None:
    """Superpixels of SLIC are no mirror images of each other, nor are noise and random pixels."""
    batch = annotated(images(3))
    saliency_BHW = saliency_of(batch)
    flipped = Batch(
        image_BCHW=batch.image_BCHW.flip(3),
        image_ids=batch.image_ids,
        seed=batch.seed,
        boxes=tuple(
            None
            if box is None
            else torch.stack([32 - box[:, 2], box[:, 1], 32 - box[:, 0], box[:, 3]], 1)
            for box in batch.boxes or ()
        ),
        mask_BHW=None if batch.mask_BHW is None else batch.mask_BHW.flip(2),
    )
    metric = CASES[name]
    if name.startswith("road"):
        metric = PerturbationCurve(
            fill=type(metric.fill)(noise=0.0), order=metric.order, fractions=metric.fractions
        )
    expected = scored(metric, Symmetric(), batch, saliency_BHW)
    found = scored(metric, Symmetric(), flipped, saliency_BHW.flip(2))
    torch.testing.assert_close(found.value_B, expected.value_B, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(ALONE.keys() - {"completeness"}))
def test_a_map_with_nan_is_refused_and_a_constant_one_has_a_score(name: str) -> None:
    """But for a rank correlation, which does not exist then."""
    batch = annotated(images(2))
    constant = torch.ones(2, 32, 32)
    score = scored(CASES[name], toy_cnn(), batch, constant)
    assert score.value_B.dtype == torch.float64
    assert bool(torch.isfinite(score.value_B).all()) == (name not in {"idsds", "sensitivity_n"})
    constant[1, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        scored(CASES[name], toy_cnn(), batch, constant)


class Certain(nn.Module):
    """Gives class 0 all or nothing."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, x_BCHW: Tensor) -> Tensor:
        one = x_BCHW.sum((1, 2, 3)) * 0 + self.logit
        return torch.stack([one, -one], 1)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_a_certain_model_has_flat_curves(name: str, logit: float) -> None:
    batch = annotated(images(2))
    batch = Batch(
        image_BCHW=batch.image_BCHW, image_ids=batch.image_ids, target_B=torch.zeros(2).long()
    )
    score = scored(CURVES[name], Certain(logit), batch, saliency_of(batch))
    if getattr(CURVES[name], "score", "") == "relative" and logit < 0:
        assert bool(torch.isnan(score.value_B).all()), "a share of nothing"
        return
    is_gone = (
        getattr(CURVES[name], "order", "") == "difference"
        or getattr(CURVES[name], "area", "") == "over"
        or name == "f_fidelity"
    )
    expected = 0.0 if is_gone else float(logit > 0)
    assert score.value_B.tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize("name", CURVES)
def test_an_image_smaller_than_the_units_has_a_score(name: str) -> None:
    batch = annotated(images(1))
    small = Batch(image_BCHW=batch.image_BCHW[:, :, :3, :2].clone(), image_ids=("small",))

    class Mean(nn.Module):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            mean_B = x_BCHW.mean((1, 2, 3))
            return torch.stack([mean_B, -mean_B], 1)

    score = scored(CURVES[name], Mean(), small, torch.arange(6.0).view(1, 3, 2))
    assert bool(torch.isfinite(score.value_B).all())
    assert isinstance(CURVES[name], Deletion) or score.curve_BT is not None
