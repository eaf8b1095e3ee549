"""The functions of `sweeps` for the CPU, compiled by numba: each a walk over an image's rows.

Shape suffixes as in `sweeps`; P planes are all channels of all copies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from swag.curves.sweeps import Level
from swag.superpixels.jit import Array, compiled

_FAST = ("contract", "nsz")
_TWO, _THREE = np.float32(2), np.float32(3)
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


class _Masks(NamedTuple):
    """A level."""

    gone_THW: Array
    own_1HW: Array
    step_THW: Array


def surplus(value_TCHW: Tensor, level: Level) -> Tensor:
    """As `sweeps.surplus`."""
    above_TCHW = torch.empty_like(value_TCHW)
    _surplus(*_planes(value_TCHW, level.gone_T1HW, level.own_11HW, above_TCHW))
    return above_TCHW


def down(residual_TCHW: Tensor, level: Level, above: Level) -> tuple[Tensor, Tensor]:
    """As `sweeps.down`."""
    copies, channels = residual_TCHW.shape[:2]
    mended_TCHW = torch.empty_like(residual_TCHW)
    coarse_TChw = residual_TCHW.new_empty(copies, channels, *above.gone_T1HW.shape[-2:])
    residual_PHW, gone_Thw, mended_PHW, coarse_Phw = _planes(
        residual_TCHW, above.gone_T1HW, mended_TCHW, coarse_TChw
    )
    _down(residual_PHW, _Masks(*_planes(*level)), gone_Thw, mended_PHW, coarse_Phw)
    return mended_TCHW, coarse_TChw


def up(coarse_TChw: Tensor, residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """As `sweeps.up`."""
    coarse_Phw, residual_PHW, mended_PHW = _planes(coarse_TChw, residual_TCHW, mended_TCHW)
    _up(coarse_Phw, residual_PHW, _Masks(*_planes(*level)), mended_PHW)


def mend(residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level, times: int = 1) -> None:
    """As `sweeps.mend`."""
    residual_PHW, mended_PHW = _planes(residual_TCHW, mended_TCHW)
    _mend(residual_PHW, _Masks(*_planes(*level)), mended_PHW, times)


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
    count_T1 = torch.empty(len(residual_TCHW), 1, dtype=torch.int32)
    residual_TN, count_TN = _pixels(residual_TCHW, count_T1)
    _count_above(residual_TN, count_TN, limit)
    return count_T1[:, 0] > 0


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
def _down(
    residual_PHW: Array, level: _Masks, gone_Thw: Array, mended_PHW: Array, coarse_Phw: Array
) -> None:
    planes, height, width = residual_PHW.shape
    channels = planes // len(gone_Thw)
    left_HW = np.empty((height, width), np.float32)  # stays in the processor's cache
    for p in range(planes):
        t = p // channels
        for y in range(height):
            residual_W, step_W, mended_W = (
                residual_PHW[p, y],
                level.step_THW[t, y],
                mended_PHW[p, y],
            )
            for x in range(width):
                mended_W[x] = step_W[x] * residual_W[x]
        _left(residual_PHW[p], mended_PHW[p], level.gone_THW[t], level.own_1HW[0], left_HW)
        _restrict(left_HW, gone_Thw[t], coarse_Phw[p])


@compiled(*_FAST)
def _up(coarse_Phw: Array, residual_PHW: Array, level: _Masks, mended_PHW: Array) -> None:
    channels = len(mended_PHW) // len(level.gone_THW)
    for p in range(len(mended_PHW)):
        t = p // channels
        _add_between(coarse_Phw[p], level.gone_THW[t], mended_PHW[p])
        _sweep(residual_PHW[p], level.own_1HW[0], level.step_THW[t], mended_PHW[p])


@compiled(*_FAST)
def _mend(residual_PHW: Array, level: _Masks, mended_PHW: Array, times: int) -> None:
    channels = len(mended_PHW) // len(level.step_THW)
    for p in range(len(mended_PHW)):
        for _ in range(times):
            _sweep(residual_PHW[p], level.own_1HW[0], level.step_THW[p // channels], mended_PHW[p])


@compiled(*_FAST)
def _interpolate(coarse_Phw: Array, gone_THW: Array, mended_PHW: Array) -> None:
    channels = len(mended_PHW) // len(gone_THW)
    for p in range(len(mended_PHW)):
        _add_between(coarse_Phw[p], gone_THW[p // channels], mended_PHW[p])


@compiled(*_FAST)
def _left(
    residual_HW: Array, mended_HW: Array, gone_HW: Array, own_HW: Array, left_HW: Array
) -> None:
    height, width = mended_HW.shape
    sum_3W = np.zeros((3, width), np.float32)
    _rolled(mended_HW, -1, sum_3W)
    for y in range(height):
        _rolled(mended_HW, y, sum_3W)
        gone_W, own_W, mended_W = gone_HW[y], own_HW[y], mended_HW[y]
        residual_W, left_W = residual_HW[y], left_HW[y]
        for x in range(width):
            around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
            left_W[x] = residual_W[x] + gone_W[x] * (around - own_W[x] * mended_W[x])


@compiled(*_FAST)
def _sweep(residual_HW: Array, own_HW: Array, step_HW: Array, mended_HW: Array) -> None:
    """A pixel that is not removed has a step of 0."""
    height, width = mended_HW.shape
    sum_3W = np.zeros((3, width), np.float32)
    _rolled(mended_HW, -1, sum_3W)
    for y in range(height):
        _rolled(mended_HW, y, sum_3W)
        step_W, own_W, mended_W, residual_W = step_HW[y], own_HW[y], mended_HW[y], residual_HW[y]
        for x in range(width):
            around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
            mended_W[x] += step_W[x] * (residual_W[x] + (around - own_W[x] * mended_W[x]))


@compiled(*_FAST)
def _restrict(value_HW: Array, gone_hw: Array, coarse_hw: Array) -> None:
    """Write sums over cells twice as wide, where these are unknown: bilinear's transpose."""
    height, width = value_HW.shape
    sum_W = np.zeros(width + 3, np.float32)
    for y in range(len(coarse_hw)):
        first = 2 * y - 1
        sum_W[:] = 0
        for row in range(max(first, 0), min(first + 4, height)):
            weight = np.float32(1 if row == first or row == first + 3 else 3) / np.float32(16)
            for x in range(width):
                sum_W[x + 1] += weight * value_HW[row, x]
        for x in range(coarse_hw.shape[1]):
            outer, inner = sum_W[2 * x] + sum_W[2 * x + 3], sum_W[2 * x + 1] + sum_W[2 * x + 2]
            coarse_hw[y, x] = gone_hw[y, x] * (outer + _THREE * inner)


@compiled(*_FAST)
def _add_between(coarse_hw: Array, gone_HW: Array, mended_HW: Array) -> None:
    """Add to removed pixels what lies between cells twice as wide, bilinear."""
    height, width = mended_HW.shape
    rows, columns = coarse_hw.shape
    line_w = np.empty(columns + 2, np.float32)
    for y in range(height):
        here = y // 2
        other = min(max(here + 2 * (y % 2) - 1, 0), rows - 1)
        for x in range(columns):
            line_w[x + 1] = _NEAR * coarse_hw[here, x] + _FAR * coarse_hw[other, x]
        line_w[0], line_w[columns + 1] = line_w[1], line_w[columns]
        gone_W, mended_W = gone_HW[y], mended_HW[y]
        for x in range(width // 2):
            middle = _NEAR * line_w[x + 1]
            mended_W[2 * x] += gone_W[2 * x] * (middle + _FAR * line_w[x])
            mended_W[2 * x + 1] += gone_W[2 * x + 1] * (middle + _FAR * line_w[x + 2])
        if width % 2:
            last = _NEAR * line_w[columns] + _FAR * line_w[columns - 1]
            mended_W[width - 1] += gone_W[width - 1] * last


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
