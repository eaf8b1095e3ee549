"""The functions of `sweeps` for the CPU, compiled by numba: each a walk over an image's rows.

Shape suffixes as in `sweeps`; P planes are all channels of all copies.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from swag.curves.sweeps import Level
from swag.superpixels.jit import Array, compiled

_FAST = ("contract", "nsz")
_TWO, _THREE = np.float32(2), np.float32(3)
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


def surplus(value_TCHW: Tensor, level: Level) -> Tensor:
    """As `sweeps.surplus`."""
    above_TCHW = torch.empty_like(value_TCHW)
    _surplus(*_planes(value_TCHW, level.gone_T1HW, level.own_11HW, above_TCHW))
    return above_TCHW


def left(residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level) -> Tensor:
    """As `sweeps.left`."""
    left_TCHW = torch.empty_like(mended_TCHW)
    _left(*_planes(residual_TCHW, mended_TCHW, level.gone_T1HW, level.own_11HW, left_TCHW))
    return left_TCHW


def mend(residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """As `sweeps.mend`."""
    _mend(*_planes(residual_TCHW, level.own_11HW, level.step_T1HW, mended_TCHW))


def restrict(value_TCHW: Tensor, above: Level) -> Tensor:
    """As `sweeps.restrict`."""
    copies, channels = value_TCHW.shape[:2]
    coarse_TChw = value_TCHW.new_empty(copies, channels, *above.gone_T1HW.shape[-2:])
    _restrict(*_planes(value_TCHW, above.gone_T1HW, coarse_TChw))
    return coarse_TChw


def interpolate(value_TChw: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """As `sweeps.interpolate`."""
    _interpolate(*_planes(value_TChw, level.gone_T1HW, mended_TCHW))


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
    count_T111 = torch.empty(len(residual_TCHW), 1, 1, 1, dtype=torch.int32)
    residual_TN, count_T1 = _pixels(residual_TCHW, count_T111)
    _count_above(residual_TN, count_T1, limit)
    return count_T111 > 0


def _pixels(*values: Tensor) -> list[Array]:
    return [value.flatten(1).numpy() for value in values]


def _planes(*values: Tensor) -> list[Array]:
    return [value.view(-1, *value.shape[-2:]).numpy() for value in values]


@compiled(*_FAST)
def _across(value_W: Array, sum_W: Array) -> None:
    """Write each pixel's neighbours in its row, and twice itself."""
    width = len(value_W)
    if width == 1:
        sum_W[0] = _TWO * value_W[0]
        return
    for x in range(1, width - 1):
        sum_W[x] = value_W[x - 1] + _TWO * value_W[x] + value_W[x + 1]
    sum_W[0] = _TWO * value_W[0] + value_W[1]
    sum_W[width - 1] = value_W[width - 2] + _TWO * value_W[width - 1]


@compiled(*_FAST)
def _rolled(value_HW: Array, y: int, sum_3W: Array) -> None:
    """Make row y + 1's sums the last of three."""
    sum_3W[0], sum_3W[1] = sum_3W[1], sum_3W[2]
    if y + 1 < len(value_HW):
        _across(value_HW[y + 1], sum_3W[2])
    else:
        sum_3W[2] = 0


@compiled(*_FAST)
def _surplus(value_PHW: Array, gone_THW: Array, own_1HW: Array, above_PHW: Array) -> None:
    planes, height, width = value_PHW.shape
    channels = planes // len(gone_THW)
    sum_3W = np.empty((3, width), np.float32)
    for p in range(planes):
        sum_3W[1:] = 0
        _rolled(value_PHW[p], -1, sum_3W)
        for y in range(height):
            _rolled(value_PHW[p], y, sum_3W)
            gone_W, own_W, value_W = gone_THW[p // channels, y], own_1HW[0, y], value_PHW[p, y]
            above_W = above_PHW[p, y]
            for x in range(width):
                around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
                above_W[x] = gone_W[x] * (around - own_W[x] * value_W[x])


@compiled(*_FAST)
def _left(
    residual_PHW: Array, mended_PHW: Array, gone_THW: Array, own_1HW: Array, left_PHW: Array
) -> None:
    planes, height, width = mended_PHW.shape
    channels = planes // len(gone_THW)
    sum_3W = np.empty((3, width), np.float32)
    for p in range(planes):
        sum_3W[1:] = 0
        _rolled(mended_PHW[p], -1, sum_3W)
        for y in range(height):
            _rolled(mended_PHW[p], y, sum_3W)
            gone_W, own_W, mended_W = gone_THW[p // channels, y], own_1HW[0, y], mended_PHW[p, y]
            residual_W, left_W = residual_PHW[p, y], left_PHW[p, y]
            for x in range(width):
                around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
                left_W[x] = residual_W[x] + gone_W[x] * (around - own_W[x] * mended_W[x])


@compiled(*_FAST)
def _mend(residual_PHW: Array, own_1HW: Array, step_THW: Array, mended_PHW: Array) -> None:
    """A pixel that is not removed has a step of 0."""
    planes, height, width = mended_PHW.shape
    channels = planes // len(step_THW)
    sum_3W = np.empty((3, width), np.float32)
    for p in range(planes):
        sum_3W[1:] = 0
        _rolled(mended_PHW[p], -1, sum_3W)
        for y in range(height):
            _rolled(mended_PHW[p], y, sum_3W)
            step_W, own_W, mended_W = step_THW[p // channels, y], own_1HW[0, y], mended_PHW[p, y]
            residual_W = residual_PHW[p, y]
            for x in range(width):
                around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
                surplus = around - own_W[x] * mended_W[x]
                mended_W[x] += step_W[x] * (residual_W[x] + surplus)


@compiled(*_FAST)
def _restrict(value_PHW: Array, gone_Thw: Array, coarse_Phw: Array) -> None:
    planes, height, width = value_PHW.shape
    channels = planes // len(gone_Thw)
    sum_W = np.empty(width + 3, np.float32)
    for p in range(planes):
        value_HW = value_PHW[p]
        for y in range(coarse_Phw.shape[1]):
            first = 2 * y - 1
            sum_W[:] = 0
            for row in range(max(first, 0), min(first + 4, height)):
                weight = np.float32(1 if row == first or row == first + 3 else 3) / np.float32(16)
                for x in range(width):
                    sum_W[x + 1] += weight * value_HW[row, x]
            for x in range(coarse_Phw.shape[2]):
                across = (
                    sum_W[2 * x] + sum_W[2 * x + 3] + _THREE * (sum_W[2 * x + 1] + sum_W[2 * x + 2])
                )
                coarse_Phw[p, y, x] = gone_Thw[p // channels, y, x] * across


@compiled(*_FAST)
def _interpolate(coarse_Phw: Array, gone_THW: Array, mended_PHW: Array) -> None:
    planes, height, width = mended_PHW.shape
    channels = planes // len(gone_THW)
    _, rows, columns = coarse_Phw.shape
    line_w = np.empty(columns + 2, np.float32)
    for p in range(planes):
        coarse_hw, gone_HW, mended_HW = coarse_Phw[p], gone_THW[p // channels], mended_PHW[p]
        for y in range(height):
            here = y // 2
            other = min(max(here + 2 * (y % 2) - 1, 0), rows - 1)
            for x in range(columns):
                line_w[x + 1] = _NEAR * coarse_hw[here, x] + _FAR * coarse_hw[other, x]
            line_w[0], line_w[columns + 1] = line_w[1], line_w[columns]
            for x in range(columns):
                left, middle = line_w[x], _NEAR * line_w[x + 1]
                mended_HW[y, 2 * x] += gone_HW[y, 2 * x] * (middle + _FAR * left)
                if 2 * x + 1 < width:
                    right = middle + _FAR * line_w[x + 2]
                    mended_HW[y, 2 * x + 1] += gone_HW[y, 2 * x + 1] * right


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
