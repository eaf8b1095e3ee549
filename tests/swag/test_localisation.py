"""Boxes of thresholded saliencies against masks made one by one, and cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from swag.held_out import choose_alpha, is_held_out
from swag.metrics.ground_truth import EnergyInBox, PointingGame
from swag.metrics.localisation import (
    WeakLocalisation,
    localisation_error,
)
from swag.signals import Signals
from tests.support.toys import batch_of, columns_of, images, take, toy, untouched

HEIGHT, WIDTH = 6, 8
Boxes = tuple[Tensor | None, ...]


def signals_of(boxes: Boxes | None, mask_BHW: Tensor | None = None, count: int = 1) -> Signals:
    image_BCHW = torch.zeros(count, 3, HEIGHT, WIDTH)
    return Signals(toy(), batch_of(image_BCHW, boxes=boxes, mask_BHW=mask_BHW))


def box(*corners: float) -> Tensor:
    return torch.tensor([corners], dtype=torch.float32)


def ious(
    saliency_HW: Tensor, boxes_N4: Tensor, **alphas: tuple[float, ...]
) -> dict[str, list[float]]:
    score = WeakLocalisation(**alphas)(signals_of((boxes_N4,)), saliency_HW[None].float())
    return {
        name.removeprefix("iou_"): column[0].tolist() for name, column in columns_of(score).items()
    }


def twin(
    saliency_HW: np.ndarray, kind: str, alpha: float, boxes: list[tuple[int, int, int, int]]
) -> float:
    """The published procedure, pixel by pixel, with last pixels included and + 1 for lengths."""
    height, width = saliency_HW.shape
    heat = saliency_HW.astype(np.float64) - float(saliency_HW.min())
    kept = np.zeros((height, width), dtype=bool)
    if kind == "energy":
        falling = sorted(heat.flatten().tolist(), reverse=True)
        total, gathered, last = np.cumsum(falling)[-1], 0.0, falling[0]
        for value in falling:
            gathered += value
            last = value
            if gathered >= alpha * total:
                break
        kept = heat >= last
    else:
        tau = alpha * (heat.max() if kind == "value" else heat.mean())
        for row in range(height):
            for column in range(width):
                kept[row, column] = heat[row, column] >= tau
    kept &= heat > 0
    if not kept.any():
        return 0.0
    rows, columns = np.nonzero(kept)
    best = 0.0
    for x0, y0, x1, y1 in boxes:  # x1 and y1 are the last pixels
        across = min(x1, columns.max()) - max(x0, columns.min()) + 1
        down = min(y1, rows.max()) - max(y0, rows.min()) + 1
        shared = across * down if across > 0 and down > 0 else 0
        own = (columns.max() - columns.min() + 1) * (rows.max() - rows.min() + 1)
        best = max(best, shared / (own + (x1 - x0 + 1) * (y1 - y0 + 1) - shared))
    return best


pixel_box = st.tuples(
    st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(0, 3), st.integers(0, 3)
).map(lambda b: (b[0], b[1], min(b[0] + b[2], WIDTH - 1), min(b[1] + b[3], HEIGHT - 1)))


@settings(max_examples=30)
@given(
    arrays(np.float32, (HEIGHT, WIDTH), elements=st.integers(-3, 4)),
    st.lists(pixel_box, min_size=1, max_size=3),
)
def test_equals_masks_made_one_by_one(
    saliency_HW: np.ndarray, boxes: list[tuple[int, int, int, int]]
) -> None:
    """Small whole numbers, so that ties and values on the threshold happen all the time."""
    truth_N4 = torch.tensor([[x0, y0, x1 + 1, y1 + 1] for x0, y0, x1, y1 in boxes]).float()
    found = ious(torch.from_numpy(saliency_HW), truth_N4)
    metric = WeakLocalisation()
    for kind in ("value", "mean", "energy"):
        alphas = getattr(metric, f"{kind}_alphas")
        expected = [twin(saliency_HW, kind, alpha, boxes) for alpha in alphas]
        np.testing.assert_allclose(found[kind], expected, rtol=1e-6, err_msg=kind)


@given(st.integers(0, 2**32))
def test_equals_masks_made_one_by_one_without_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    saliency_HW = rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32)
    found = ious(torch.from_numpy(saliency_HW), box(2, 1, 6, 4))
    for kind in ("value", "mean", "energy"):
        alphas = getattr(WeakLocalisation(), f"{kind}_alphas")
        expected = [twin(saliency_HW, kind, alpha, [(2, 1, 5, 3)]) for alpha in alphas]
        np.testing.assert_allclose(found[kind], expected, rtol=1e-6, err_msg=kind)


def hill() -> Tensor:
    """0 but for 1, 2, 4 and 3 in a row."""
    saliency_HW = torch.zeros(HEIGHT, WIDTH)
    saliency_HW[2, 1:5] = torch.tensor([1.0, 2.0, 4.0, 3.0])
    return saliency_HW


def test_value_thresholds_by_hand() -> None:
    found = ious(hill(), box(3, 2, 5, 3), value_alphas=(0.0, 0.25, 0.3, 0.75, 0.8))["value"]
    # The four pixels, since those at 0 never survive; again, 1 being a quarter of 4; then 2, 4, 3.
    assert found == pytest.approx([2 / 4, 2 / 4, 2 / 3, 2 / 2, 1 / 2])


def test_mean_thresholds_by_hand() -> None:
    # The mean is 10 / 48, so alpha 14.4 is a threshold of 3 and 20 one beyond the maximum.
    found = ious(hill(), box(3, 2, 5, 3), mean_alphas=(1.0, 14.3, 20.0))["mean"]
    assert found == pytest.approx([2 / 4, 1.0, 0.0])


def test_energy_thresholds_by_hand() -> None:
    # Sums of the most salient pixels: 4, 7, 9, 10 of 10.
    found = ious(hill(), box(3, 2, 5, 3), energy_alphas=(0.0, 0.4, 0.45, 0.7, 0.75, 1.0))["energy"]
    assert found == pytest.approx([1 / 2, 1 / 2, 1.0, 1.0, 2 / 3, 2 / 4])


def test_pixels_that_tie_at_the_energy_cut_survive_together() -> None:
    saliency_HW = torch.zeros(HEIGHT, WIDTH)
    saliency_HW[1, 2:6] = 1.0
    assert ious(saliency_HW, box(2, 1, 6, 2), energy_alphas=(0.25, 0.5))["energy"] == [1.0, 1.0]


def test_the_best_of_several_boxes_counts() -> None:
    boxes_N4 = torch.cat([box(0, 0, 1, 1), box(1, 2, 5, 3), box(0, 0, 8, 6)])
    assert ious(hill(), boxes_N4, value_alphas=(0.1,))["value"] == [1.0]


def test_boxes_between_pixels() -> None:
    found = ious(hill(), box(2.5, 1.5, 4.5, 2.5), value_alphas=(0.7,))["value"]
    assert found == pytest.approx([0.75 / (2 + 2 - 0.75)])


@pytest.mark.parametrize("level", [0.0, 3.0, -2.0])
def test_a_constant_saliency_has_no_box(level: float) -> None:
    found = ious(torch.full((HEIGHT, WIDTH), level), box(0, 0, 8, 6))
    assert all(iou == 0 for kind in found.values() for iou in kind)


@given(
    arrays(np.float32, (HEIGHT, WIDTH), elements=st.integers(-50, 50)),
    st.integers(-3, 3),
    st.integers(-100, 100),
)
def test_offset_and_scale_do_not_count(saliency_HW: np.ndarray, power: int, offset: int) -> None:
    truth_N4 = box(1, 1, 5, 4)
    moved_HW = torch.from_numpy(saliency_HW) * 2.0**power + offset
    assert ious(moved_HW, truth_N4) == ious(torch.from_numpy(saliency_HW), truth_N4)


def test_value_and_images_without_boxes() -> None:
    empty, flat = torch.zeros(0, 4), box(2, 2, 2, 5)
    signals = signals_of((box(3, 2, 5, 3), None, empty, flat), count=4)
    score = WeakLocalisation()(signals, hill().expand(4, -1, -1))
    assert score.value_B.dtype == torch.float64
    assert score.value_B.tolist()[0] == 0.0
    assert score.value_B.isnan().tolist() == [False, True, True, True]
    shapes = {name: tuple(column.shape) for name, column in columns_of(score).items()}
    assert shapes == {"iou_value": (4, 20), "iou_mean": (4, 21), "iou_energy": (4, 20)}
    for column in columns_of(score).values():
        assert column.dtype == torch.float32
        assert column.isnan().any(1).tolist() == [False, True, True, True]
    without = WeakLocalisation()(signals_of(None), hill()[None])
    assert without.value_B.isnan().all()


def test_the_grids_are_the_stated_ones() -> None:
    metric = WeakLocalisation()
    assert metric.value_alphas == metric.energy_alphas
    np.testing.assert_allclose(metric.value_alphas, np.linspace(0, 0.95, 20), atol=1e-15)
    np.testing.assert_allclose(metric.mean_alphas, np.linspace(0, 10, 21), atol=1e-15)


@pytest.mark.parametrize("metric", [WeakLocalisation(), PointingGame(), EnergyInBox()])
def test_no_passes_nothing_changed_and_any_batch(metric: WeakLocalisation) -> None:
    boxes = tuple(box(index, 0, index + 4, 9) for index in range(4))
    batch = batch_of(images(4, 16), boxes=boxes)
    saliency_BHW = torch.randn(4, 16, 16)
    classifier = toy()
    with untouched(classifier.model, batch.image_BCHW, saliency_BHW):
        signals = Signals(classifier, batch)
        together = metric(signals, saliency_BHW)
    assert "probability" not in signals._computed
    order = [2, 0, 3]
    part = metric(Signals(classifier, take(batch, order)), saliency_BHW[order])
    assert torch.equal(part.value_B, together.value_B[order])
    for name, column in columns_of(part).items():
        assert torch.equal(column, columns_of(together)[name][order])


@pytest.mark.parametrize("metric", [WeakLocalisation(), PointingGame(), EnergyInBox()])
def test_errors(metric: WeakLocalisation) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 4, 4\) does not fit images"):
        metric(signals_of((box(0, 0, 2, 2),)), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        metric(signals_of((box(0, 0, 2, 2),)), torch.full((1, HEIGHT, WIDTH), math.nan))


@pytest.mark.parametrize(
    "fields", [{"value_alphas": ()}, {"energy_alphas": (0.5, 1.5)}, {"mean_alphas": (-1.0,)}]
)
def test_impossible_thresholds_are_refused(fields: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(fields))} must be at least one number of 0"):
        WeakLocalisation(**fields)


# The choice of alpha


def test_alpha_is_chosen_on_the_held_out_images_only() -> None:
    iou_NA = np.array([[0.2, 0.6], [0.2, 0.6], [0.9, 0.5], [0.9, 0.5], [0.9, 0.7]])
    held_out_N = np.array([True, True, False, False, False])
    assert choose_alpha(iou_NA, held_out_N) == 1
    result = localisation_error(iou_NA, held_out_N)
    assert (result.alpha_index, result.n) == (1, 3)
    assert result.error == pytest.approx(2 / 3)  # exactly one half is not enough


@given(st.integers(0, 2**32))
def test_evaluated_images_do_not_sway_alpha(seed: int) -> None:
    rng = np.random.default_rng(seed)
    iou_NA, held_out_N = rng.random((12, 5)), np.arange(12) % 3 == 0
    before = choose_alpha(iou_NA, held_out_N)
    iou_NA[~held_out_N] = rng.random((8, 5))
    assert choose_alpha(iou_NA, held_out_N) == before
    errors = (iou_NA[held_out_N] <= 0.5).mean(0)
    assert errors[before] == errors.min()
    assert (errors[:before] > errors.min()).all()


def test_images_without_boxes_count_nowhere() -> None:
    iou_NA = np.array([[0.2, 0.6], [math.nan] * 2, [0.9, 0.5], [math.nan] * 2])
    held_out_N = np.array([True, True, False, False])
    assert localisation_error(iou_NA, held_out_N) == (1, 1.0, 1)
    with pytest.raises(ValueError, match="no image with boxes is held out"):
        localisation_error(iou_NA[1:], held_out_N[1:])
    with pytest.raises(ValueError, match="every image with boxes is held out"):
        localisation_error(iou_NA[:2], held_out_N[:2])


def test_the_split_is_fixed_and_has_its_share() -> None:
    names = [f"scene-{index}" for index in range(2000)]
    held_out = [is_held_out(name) for name in names]
    assert held_out == [is_held_out(name) for name in names]
    assert 0.22 < np.mean(held_out) < 0.28
    smaller = [is_held_out(name, 0.1) for name in names]
    assert all(large for large, small in zip(held_out, smaller, strict=True) if small)
    assert held_out[:8] == [False, False, False, False, True, False, True, True]


# Pointing game and energy


def test_pointing_game_by_hand() -> None:
    maps_BHW = torch.zeros(4, HEIGHT, WIDTH)
    maps_BHW[0, 2, 4] = 1.0  # inside
    maps_BHW[1, 2, 5] = 1.0  # one column beyond
    maps_BHW[2] = -1.0  # all equal: the first pixel counts
    boxes = (box(3, 2, 5, 3), box(3, 2, 5, 3), torch.cat([box(7, 5, 8, 6), box(0, 0, 1, 1)]), None)
    score = PointingGame()(signals_of(boxes, count=4), maps_BHW)
    assert score.value_B.tolist()[:3] == [1.0, 0.0, 1.0]
    assert math.isnan(score.value_B[3])


def test_energy_by_hand() -> None:
    maps_BHW = hill().repeat(3, 1, 1)
    maps_BHW[0, 0, 0] = -5.0  # negative values are no energy
    maps_BHW[1] = -1.0
    score = EnergyInBox()(signals_of((box(3, 2, 5, 3), box(3, 2, 5, 3), None), count=3), maps_BHW)
    assert score.value_B[0] == pytest.approx(7 / 10)
    assert score.value_B.isnan().tolist() == [False, True, True]


def test_overlapping_boxes_count_once() -> None:
    boxes_N4 = torch.cat([box(1, 2, 4, 3), box(2, 2, 4, 5)])
    score = EnergyInBox()(signals_of((boxes_N4,)), hill()[None])
    assert score.value_B[0] == pytest.approx(7 / 10)


def test_masks_as_ground_truth() -> None:
    mask_BHW = torch.zeros(2, HEIGHT, WIDTH, dtype=torch.bool)
    mask_BHW[0, 2, 2:4] = True
    signals = signals_of((box(0, 0, 1, 1),) * 2, mask_BHW, count=2)
    maps_BHW = hill().repeat(2, 1, 1)
    energy = EnergyInBox(truth="mask")(signals, maps_BHW).value_B
    hit = PointingGame(truth="mask")(signals, maps_BHW).value_B
    assert energy[0] == pytest.approx(6 / 10)
    assert hit[0] == 1.0
    assert energy.isnan().tolist() == hit.isnan().tolist() == [False, True]  # an empty mask
    unknown = signals_of((box(0, 0, 1, 1),))
    assert PointingGame(truth="mask")(unknown, hill()[None]).value_B.isnan().all()


@given(st.integers(0, 2**32))
def test_energy_equals_a_loop_over_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    saliency_HW = rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32)
    x0, y0 = rng.uniform(0, 4, 2)
    x1, y1 = x0 + rng.uniform(1, 4), y0 + rng.uniform(1, 4)
    inside = total = 0.0
    for row in range(HEIGHT):
        for column in range(WIDTH):
            energy = max(float(saliency_HW[row, column]), 0.0)
            total += energy
            if x0 <= column + 0.5 < x1 and y0 <= row + 0.5 < y1:
                inside += energy
    corners = torch.tensor([[x0, y0, x1, y1]], dtype=torch.float64)
    score = EnergyInBox()(signals_of((corners,)), torch.from_numpy(saliency_HW)[None])
    assert float(score.value_B) == pytest.approx(inside / total)
