"""The functions of `sweeps` for the CPU, compiled by numba."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from swag.curves import planes
from swag.curves.sweeps import Level
from swag.superpixels.jit import Array, compiled

_FAST = ("contract", "nsz")


def surplus(value_TCHW: Tensor, level: Level) -> Tensor:
    """As `sweeps.surplus`."""
    above_TCHW = torch.empty_like(value_TCHW)
    planes.surplus(*_planes(value_TCHW, level.gone_T1HW, level.own_11HW, above_TCHW))
    return above_TCHW


def down(residual_TCHW: Tensor, level: Level, above: Level) -> tuple[Tensor, Tensor]:
    """As `sweeps.down`."""
    copies, channels = residual_TCHW.shape[:2]
    mended_TCHW = torch.empty_like(residual_TCHW)
    coarse_TChw = residual_TCHW.new_empty(copies, channels, *above.gone_T1HW.shape[-2:])
    residual_PHW, gone_Thw, mended_PHW, coarse_Phw = _planes(
        residual_TCHW, above.gone_T1HW, mended_TCHW, coarse_TChw
    )
    planes.down(residual_PHW, planes.Masks(*_planes(*level)), gone_Thw, mended_PHW, coarse_Phw)
    return mended_TCHW, coarse_TChw


def up(coarse_TChw: Tensor, residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """As `sweeps.up`."""
    coarse_Phw, residual_PHW, mended_PHW = _planes(coarse_TChw, residual_TCHW, mended_TCHW)
    planes.up(coarse_Phw, residual_PHW, planes.Masks(*_planes(*level)), mended_PHW)


def mend(residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level, times: int = 1) -> None:
    """As `sweeps.mend`."""
    residual_PHW, mended_PHW = _planes(residual_TCHW, mended_TCHW)
    planes.mend(residual_PHW, planes.Masks(*_planes(*level)), mended_PHW, times)


def interpolate(value_TChw: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """As `sweeps.interpolate`."""
    planes.interpolate(*_planes(value_TChw, level.gone_T1HW, mended_TCHW))


def inner(left_TCHW: Tensor, right_TCHW: Tensor) -> Tensor:
    """As `sweeps.inner`."""
    product_T111 = left_TCHW.new_empty(len(left_TCHW), 1, 1, 1)
    _inner(*_pixels(left_TCHW, right_TCHW, product_T111))
    return product_T111


def turn(direction_TCHW: Tensor, ratio_T111: Tensor, better_TCHW: Tensor) -> None:
    """As `sweeps.turn`."""
    _turn(*_pixels(direction_TCHW, ratio_T111, better_TCHW))


def advance(
    length_T111: Tensor,
    direction_TCHW: Tensor,
    change_TCHW: Tensor,
    copies_TCHW: Tensor,
    residual_TCHW: Tensor,
) -> None:
    """As `sweeps.advance`."""
    _advance(*_pixels(length_T111, direction_TCHW, change_TCHW, copies_TCHW, residual_TCHW))


def is_above(residual_TCHW: Tensor, limit: float) -> Tensor:
    """As `sweeps.is_above`."""
    count_T1 = torch.empty(len(residual_TCHW), 1, dtype=torch.int32)
    residual_TN, count_TN = _pixels(residual_TCHW, count_T1)
    _count_above(residual_TN, count_TN, limit)
    return count_T1[:, 0] > 0


def _pixels(*values: Tensor) -> list[Array]:
    return [value.flatten(1).numpy() for value in values]


def _planes(*values: Tensor) -> list[Array]:
    return [value.view(-1, *value.shape[-2:]).numpy() for value in values]


@compiled(*_FAST, "reassoc")
def _inner(left_TN: Array, right_TN: Array, product_T1: Array) -> None:
    for t in range(len(left_TN)):
        total = np.float32(0)
        for n in range(left_TN.shape[1]):
            total += left_TN[t, n] * right_TN[t, n]
        product_T1[t, 0] = total


@compiled(*_FAST)
def _turn(direction_TN: Array, ratio_T1: Array, better_TN: Array) -> None:
    for t in range(len(direction_TN)):
        for n in range(direction_TN.shape[1]):
            direction_TN[t, n] = ratio_T1[t, 0] * direction_TN[t, n] + better_TN[t, n]


@compiled(*_FAST)
def _advance(
    length_T1: Array, direction_TN: Array, change_TN: Array, copies_TN: Array, residual_TN: Array
) -> None:
    for t in range(len(direction_TN)):
        length = length_T1[t, 0]
        for n in range(direction_TN.shape[1]):
            copies_TN[t, n] += length * direction_TN[t, n]
            residual_TN[t, n] += length * change_TN[t, n]


@compiled(*_FAST)
def _count_above(residual_TN: Array, count_T1: Array, limit: float) -> None:
    for t in range(len(residual_TN)):
        count = np.int32(0)
        for n in range(residual_TN.shape[1]):
            count += np.int32(abs(residual_TN[t, n]) > limit)
        count_T1[t, 0] = count
