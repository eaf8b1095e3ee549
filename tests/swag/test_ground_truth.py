"""Order and extent of saliencies on a known object: by hand, by loops, and beside scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import Tensor

from swag.held_out import choose_overlap
from swag.metrics import ROCAUC, MaskIoU, RelevanceRankAccuracy
from swag.signals import Signals
from tests.support.toys import batch_of, columns_of, toy

MAP = torch.tensor([[9.0, 3.0, 0.0], [7.0, 5.0, 1.0]])
OBJECT = torch.tensor([[True, True, False], [False, True, False]])


def signals_of(mask_BHW: Tensor | None, **fields: Any) -> Signals:
    shape = (2, 3) if mask_BHW is None else tuple(mask_BHW.shape[1:])
    count = 1 if mask_BHW is None else len(mask_BHW)
    return Signals(toy(), batch_of(torch.zeros(count, 3, *shape), mask_BHW=mask_BHW, **fields))


def value(metric: Any, saliency_HW: Tensor, mask_HW: Tensor | None) -> float:
    signals = signals_of(None if mask_HW is None else mask_HW[None])
    return float(metric(signals, saliency_HW[None]).value_B)


def test_by_hand() -> None:
    """The object has the values 9, 3 and 5; what is beside it 0, 7 and 1."""
    assert value(RelevanceRankAccuracy(), MAP, OBJECT) == pytest.approx(2 / 3), "of 9, 7 and 5"
    assert value(ROCAUC(), MAP, OBJECT) == pytest.approx(7 / 9), "7 beats 3 and 5"
    score = MaskIoU(alphas=(0.0, 0.2, 0.5, 1.0))(signals_of(OBJECT[None]), MAP[None])
    assert columns_of(score)["mask_iou"][0].tolist() == pytest.approx([3 / 5, 3 / 4, 2 / 4, 1 / 3])
    assert float(score.value_B) == 0.75


def test_a_constant_map_tells_nothing() -> None:
    constant = torch.full((2, 3), 4.0)
    assert value(ROCAUC(), constant, OBJECT) == 0.5
    assert value(RelevanceRankAccuracy(), constant, OBJECT) == pytest.approx(2 / 3), "the first 3"
    assert value(MaskIoU(), constant, OBJECT) == 0, "nothing is above the minimum"


@pytest.mark.parametrize("metric", [RelevanceRankAccuracy(), ROCAUC(), MaskIoU()])
def test_null_where_the_object_is_not_known(metric: Any) -> None:
    assert math.isnan(value(metric, MAP, None))
    assert math.isnan(value(metric, MAP, torch.zeros(2, 3, dtype=torch.bool)))
    covered = value(metric, MAP, torch.ones(2, 3, dtype=torch.bool))
    assert math.isnan(covered) if isinstance(metric, ROCAUC) else covered > 0.8


@pytest.mark.parametrize("kind", [RelevanceRankAccuracy, ROCAUC, MaskIoU])
def test_boxes_are_the_truth_where_they_are_asked_for(kind: Any) -> None:
    box = torch.tensor([[0.0, 0.0, 2.0, 1.0]])
    inside = torch.tensor([[True, True, False], [False, False, False]])
    signals = signals_of(None, boxes=(box,))
    found = float(kind(truth="boxes")(signals, MAP[None]).value_B)
    assert found == value(kind(), MAP, inside)


@given(st.integers(0, 2**30), st.integers(1, 7), st.integers(2, 7), st.integers(1, 9))
def test_equals_loops_over_pixels(seed: int, height: int, width: int, levels: int) -> None:
    draws = np.random.default_rng(seed)
    map_HW = torch.from_numpy(draws.integers(-levels, levels + 1, (height, width))).float()
    inside_HW = torch.from_numpy(draws.random((height, width)) < 0.4)
    inside_HW[0, 0], inside_HW[0, 1] = True, False
    values, inside = map_HW.flatten().tolist(), inside_HW.flatten().tolist()
    expected = roc_auc_score(inside, values)
    assert value(ROCAUC(), map_HW, inside_HW) == pytest.approx(expected)
    order = sorted(range(len(values)), key=lambda index: (-values[index], index))
    share = sum(inside[index] for index in order[: sum(inside)]) / sum(inside)
    assert value(RelevanceRankAccuracy(), map_HW, inside_HW) == pytest.approx(share)
    overlaps = []
    for alpha in MaskIoU().alphas:
        shifted = [each - min(values) for each in values]
        kept = [each > 0 and each >= alpha * max(shifted) for each in shifted]
        both = sum(k and i for k, i in zip(kept, inside, strict=True))
        either = sum(k or i for k, i in zip(kept, inside, strict=True))
        overlaps.append(both / either)
    score = MaskIoU()(signals_of(inside_HW[None]), map_HW[None])
    assert columns_of(score)["mask_iou"][0].tolist() == pytest.approx(overlaps)
    assert float(score.value_B) == pytest.approx(max(overlaps))


def test_alpha_is_that_of_the_largest_mean_overlap_held_out() -> None:
    iou_NA = np.array([[0.2, 0.6], [0.8, 0.3], [0.1, 0.9], [np.nan, np.nan]])
    assert choose_overlap(iou_NA, np.array([True, True, False, True])) == 0
    assert choose_overlap(iou_NA, np.array([True, True, True, False])) == 1
    with pytest.raises(ValueError, match="no image whose object is known is held out"):
        choose_overlap(iou_NA, np.array([False, False, False, True]))


@pytest.mark.parametrize("alphas", [(), (-0.1,), (0.5, 1.1)])
def test_alphas_out_of_range_are_refused(alphas: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="alphas must be at least one number of 0 to 1"):
        MaskIoU(alphas=alphas)


@pytest.mark.parametrize("metric", [RelevanceRankAccuracy(), ROCAUC(), MaskIoU()])
def test_maps_that_cannot_be_judged_are_refused(metric: Any) -> None:
    signals = signals_of(OBJECT[None])
    with pytest.raises(ValueError, match="not finite"):
        metric(signals, torch.full((1, 2, 3), torch.nan))
    with pytest.raises(ValueError, match="does not fit"):
        metric(signals, torch.zeros(1, 3, 2))
