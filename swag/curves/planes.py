"""What `compiled_sweeps` does to planes, which are all channels of all copies.

Each is a walk over an image's rows. Rows without removed pixels, where all that is looked for is 0,
are passed over. Shape suffixes as in `sweeps`; P are planes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from swag.superpixels.jit import Array, compiled

_FAST = ("contract", "nsz")
_TWO, _THREE = np.float32(2), np.float32(3)
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


class Masks(NamedTuple):
    """A level."""

    gone_THW: Array
    own_1HW: Array
    step_THW: Array


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


@compiled()
def _extent(mask_HW: Array) -> tuple[int, int]:
    """Return the first row that is not all 0, and the row after the last."""
    height, width = mask_HW.shape
    top, bottom = height, 0
    for y in range(height):
        count = np.int32(0)
        for x in range(width):
            count += np.int32(mask_HW[y, x] != 0)
        if count:
            top, bottom = min(top, y), y + 1
    return top, bottom


@compiled(*_FAST)
def _rolled(value_HW: Array, y: int, sum_3W: Array) -> None:
    """Make row y + 1's sums the last of three."""
    sum_3W[0], sum_3W[1] = sum_3W[1], sum_3W[2]
    if y + 1 < len(value_HW):
        _across(value_HW[y + 1], sum_3W[2])
    else:
        sum_3W[2] = 0


@compiled(*_FAST)
def _begun(value_HW: Array, y: int, sum_3W: Array) -> None:
    """Make the sums of the rows before `y` and of itself the last of three."""
    sum_3W[2] = 0
    if y:
        _across(value_HW[y - 1], sum_3W[2])
    _rolled(value_HW, y - 1, sum_3W)


@compiled(*_FAST)
def surplus(value_PHW: Array, gone_THW: Array, own_1HW: Array, above_PHW: Array) -> None:
    """As `sweeps.surplus`, written into the last array."""
    planes, _, width = value_PHW.shape
    channels = planes // len(gone_THW)
    sum_3W = np.empty((3, width), np.float32)
    for p in range(planes):
        top, bottom = _extent(gone_THW[p // channels])
        above_PHW[p, :top] = 0
        above_PHW[p, bottom:] = 0
        _begun(value_PHW[p], top, sum_3W)
        for y in range(top, bottom):
            _rolled(value_PHW[p], y, sum_3W)
            gone_W, own_W, value_W = gone_THW[p // channels, y], own_1HW[0, y], value_PHW[p, y]
            above_W = above_PHW[p, y]
            for x in range(width):
                around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
                above_W[x] = gone_W[x] * (around - own_W[x] * value_W[x])


@compiled(*_FAST)
def down(
    residual_PHW: Array, level: Masks, gone_Thw: Array, mended_PHW: Array, coarse_Phw: Array
) -> None:
    """As `sweeps.down`, written into the last two arrays."""
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
def up(coarse_Phw: Array, residual_PHW: Array, level: Masks, mended_PHW: Array) -> None:
    """As `sweeps.up`, written into the last array."""
    channels = len(mended_PHW) // len(level.gone_THW)
    for p in range(len(mended_PHW)):
        t = p // channels
        _add_between(coarse_Phw[p], level.gone_THW[t], mended_PHW[p])
        _sweep(residual_PHW[p], level.own_1HW[0], level.step_THW[t], mended_PHW[p])


@compiled(*_FAST)
def mend(residual_PHW: Array, level: Masks, mended_PHW: Array, times: int) -> None:
    """As `sweeps.mend`."""
    channels = len(mended_PHW) // len(level.step_THW)
    for p in range(len(mended_PHW)):
        for _ in range(times):
            _sweep(residual_PHW[p], level.own_1HW[0], level.step_THW[p // channels], mended_PHW[p])


@compiled(*_FAST)
def interpolate(coarse_Phw: Array, gone_THW: Array, mended_PHW: Array) -> None:
    """As `sweeps.interpolate`, written into the last array."""
    channels = len(mended_PHW) // len(gone_THW)
    for p in range(len(mended_PHW)):
        _add_between(coarse_Phw[p], gone_THW[p // channels], mended_PHW[p])


@compiled(*_FAST)
def _left(
    residual_HW: Array, mended_HW: Array, gone_HW: Array, own_HW: Array, left_HW: Array
) -> None:
    top, bottom = _extent(gone_HW)
    width = mended_HW.shape[1]
    left_HW[:top] = 0  # as the residual is
    left_HW[bottom:] = 0
    sum_3W = np.zeros((3, width), np.float32)
    _begun(mended_HW, top, sum_3W)
    for y in range(top, bottom):
        _rolled(mended_HW, y, sum_3W)
        gone_W, own_W, mended_W = gone_HW[y], own_HW[y], mended_HW[y]
        residual_W, left_W = residual_HW[y], left_HW[y]
        for x in range(width):
            around = sum_3W[0, x] + _TWO * sum_3W[1, x] + sum_3W[2, x]
            left_W[x] = residual_W[x] + gone_W[x] * (around - own_W[x] * mended_W[x])


@compiled(*_FAST)
def _sweep(residual_HW: Array, own_HW: Array, step_HW: Array, mended_HW: Array) -> None:
    """A pixel that is not removed has a step of 0."""
    top, bottom = _extent(step_HW)
    width = mended_HW.shape[1]
    sum_3W = np.zeros((3, width), np.float32)
    _begun(mended_HW, top, sum_3W)
    for y in range(top, bottom):
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
