"""Sparseness and complexity against hand-computed cases and literal formulas."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from swag.metrics import Complexity, Sparseness
from swag.signals import Signals
from tests.support.toys import batch_of, images, toy


def scores(values: list[float]) -> tuple[float, float]:
    """Sparseness and complexity of a map of 2x2 pixels."""
    map_1HW = torch.tensor(values).view(1, 2, 2)
    signals = Signals(toy(), batch_of(images(1)[:, :, :2, :2]))
    sparseness, complexity = Sparseness()(signals, map_1HW), Complexity()(signals, map_1HW)
    return float(sparseness.value_B), float(complexity.value_B)


def test_by_hand() -> None:
    assert scores([1, 1, 1, 1]) == pytest.approx((0, math.log(4)))
    assert scores([0, 0, 0, 5]) == pytest.approx((0.75, 0))
    # Shares 1/10 .. 4/10: 1 - 2 (.1*3.5 + .2*2.5 + .3*1.5 + .4*.5) / 4 = 0.25
    expected = -sum(p * math.log(p) for p in (0.1, 0.2, 0.3, 0.4))
    assert scores([1, -2, 3, -4]) == pytest.approx((0.25, expected))
    assert all(map(math.isnan, scores([0, 0, 0, 0])))


@given(st.lists(st.floats(0.01, 100), min_size=4, max_size=4))
def test_bounds_and_scale(values: list[float]) -> None:
    gini, entropy = scores(values)
    assert -1e-9 <= gini <= 0.75
    assert -1e-9 <= entropy <= math.log(4) + 1e-9
    assert scores([3 * value for value in values]) == pytest.approx((gini, entropy), abs=1e-5)
    assert scores(values[::-1]) == pytest.approx((gini, entropy), abs=1e-9)


def literal_gini(map_HW: Tensor) -> float:
    """Mean absolute difference of all pairs, over twice the mean."""
    v = map_HW.abs().flatten().double()
    return float((v[:, None] - v[None]).abs().mean() / (2 * v.mean()))


def test_the_gini_index_is_that_of_all_pairs() -> None:
    map_BHW = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = Sparseness()(Signals(toy(), batch_of(images(3))), map_BHW).value_B
    assert found.tolist() == pytest.approx([literal_gini(map_HW) for map_HW in map_BHW])


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Sparseness()(Signals(toy(), batch_of(images(1))), torch.ones(1, 3, 3))
