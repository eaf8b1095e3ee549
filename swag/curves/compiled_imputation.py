"""`imputation.solved` for the CPU, compiled by numba: the same, one plane after another.

A plane is a channel of a copy. All that it takes stays in the processor's cache until it is solved,
which is most of what this gains. Shape suffixes as in `sweeps`; N are the pixels of a plane at all
levels, one level after another, and L the levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from swag.curves import planes
from swag.curves.sweeps import SWEEPS_AT_THE_TOP, Level
from swag.superpixels.jit import Array, compiled


class Grids(NamedTuple):
    """The levels of a copy: where they are, and what `Level` has of them."""

    place_L5: Array
    """Of each: its first pixel, height, width, and the rows with pixels that are removed."""
    gone_N: Array
    own_N: Array
    step_N: Array


class Work(NamedTuple):
    """What is known of a plane meanwhile."""

    direction_N: Array
    """Its coarse levels serve `_fill`."""
    residual_N: Array
    mended_N: Array
    spare_N: Array


_ONE, _TINY = np.float32(1), np.finfo(np.float32).tiny


def solved(image_CHW: Tensor, levels: Sequence[Level], limit: float, iterations: int) -> Tensor:
    """As `imputation.solved`."""
    copies_TCHW = image_CHW.new_empty(len(levels[0].gone_T1HW), *image_CHW.shape)
    sizes = [level.gone_T1HW.shape[-2:] for level in levels]
    starts = np.cumsum([0, *(size.numel() for size in sizes)])
    place_L5 = np.array([(start, *size, 0, 0) for start, size in zip(starts, sizes, strict=False)])
    gone_TN, own_1N, step_TN = (
        torch.cat([each.flatten(1) for each in field], 1).numpy()
        for field in zip(*levels, strict=True)
    )
    _solve(
        image_CHW.numpy(),
        Grids(place_L5, gone_TN[0], own_1N[0], step_TN[0]),
        (gone_TN, step_TN),
        (np.float32(limit), iterations),
        copies_TCHW.numpy(),
    )
    return copies_TCHW


@compiled(*planes.FAST)
def _solve(
    image_CHW: Array,
    first: Grids,
    masks: tuple[Array, Array],
    until: tuple[np.float32, int],
    copies_TCHW: Array,
) -> None:
    work_4N = np.empty((4, len(first.gone_N)), np.float32)
    work = Work(work_4N[0], work_4N[1], work_4N[2], work_4N[3])
    for t in range(len(copies_TCHW)):
        grids = Grids(first.place_L5, masks[0][t], first.own_N, masks[1][t])
        for place_5 in grids.place_L5:
            place_5[3], place_5[4] = planes.rows_of(_grid(grids.gone_N, place_5))
        work_4N[:] = 0  # and so it remains where no pixel is removed
        for c in range(len(image_CHW)):
            _fill(image_CHW[c], grids, work.direction_N, copies_TCHW[t, c])
            _solve_plane(grids, until, work, copies_TCHW[t, c])


@compiled(inline=True)
def _grid(value_N: Array, place_5: Array) -> Array:
    """Return a level, (H, W)."""
    start, height, width = place_5[0], place_5[1], place_5[2]
    return value_N[start : start + height * width].reshape(height, width)


@compiled(inline=True)
def _pixels(value_N: Array, place_5: Array) -> Array:
    """Return the pixels of a level's rows that have removed ones, one after another."""
    start, width = place_5[0], place_5[2]
    return value_N[start + place_5[3] * width : start + place_5[4] * width]


@compiled(*planes.FAST, inline=True)
def _fill(image_HW: Array, grids: Grids, value_N: Array, copy_HW: Array) -> None:
    """As `imputation._filled`; the values of level 0 are the copy."""
    place_L5, gone_N = grids.place_L5, grids.gone_N
    planes.hide(image_HW, _grid(gone_N, place_L5[0]), copy_HW)
    value_HW = copy_HW
    for level in range(len(place_L5) - 1):
        coarse_hw = _grid(value_N, place_L5[level + 1])
        planes.means_of_cells(value_HW, _grid(gone_N, place_L5[level]), coarse_hw)
        value_HW = coarse_hw
    planes.fill_with_mean(value_HW, _grid(gone_N, place_L5[-1]))
    for level in range(len(place_L5) - 2, -1, -1):
        finer_HW = _grid(value_N, place_L5[level]) if level else copy_HW
        rows = place_L5[level, 3:]
        planes.add_between(value_HW, _grid(gone_N, place_L5[level]), rows, finer_HW)
        value_HW = finer_HW


@compiled(*planes.FAST, inline=True)
def _solve_plane(grids: Grids, until: tuple[np.float32, int], work: Work, copy_HW: Array) -> None:
    """Conjugate gradients, as in `imputation.solved`."""
    place_5, limit = grids.place_L5[0], until[0]
    rows = place_5[3:]
    gone_HW, own_HW = _grid(grids.gone_N, place_5), _grid(grids.own_N, place_5)
    direction_HW, spare_HW = _grid(work.direction_N, place_5), _grid(work.spare_N, place_5)
    copy_N, direction_N = _pixels(copy_HW.reshape(-1), place_5), _pixels(work.direction_N, place_5)
    residual_N, spare_N = _pixels(work.residual_N, place_5), _pixels(work.spare_N, place_5)
    direction_N[:] = 0
    planes.surplus(copy_HW, gone_HW, own_HW, rows, _grid(work.residual_N, place_5))
    last = np.float32(1)
    for _ in range(until[1]):
        if not planes.is_above(residual_N, limit):
            return
        _cycle(grids, work)
        product = planes.inner(residual_N, spare_N)
        planes.turn(direction_N, _ratio(product, last), spare_N)
        # The residual's fall, negated, takes the place of what is better.
        fall = -planes.surplus(direction_HW, gone_HW, own_HW, rows, spare_HW)
        length = _ratio(product, fall)
        planes.advance(length, direction_N, copy_N)
        planes.advance(length, spare_N, residual_N)
        last = product


@compiled(inline=True)
def _ratio(above: np.float32, below: np.float32) -> np.float32:
    """As `imputation._ratio`."""
    return above / max(below, _TINY)


@compiled(*planes.FAST, inline=True)
def _cycle(grids: Grids, work: Work) -> None:
    """As `imputation._cycle`: make `spare_N` mend the residual nearly."""
    place_L5, top = grids.place_L5, len(grids.place_L5) - 1
    for level in range(top):
        here_5, above_5 = place_L5[level], place_L5[level + 1]
        residual_N, mended_N = _pixels(work.residual_N, here_5), _pixels(work.mended_N, here_5)
        left_HW = _grid(work.spare_N, here_5)
        gone_HW, own_HW = _grid(grids.gone_N, here_5), _grid(grids.own_N, here_5)
        planes.multiply(_pixels(grids.step_N, here_5), residual_N, mended_N)
        planes.surplus(_grid(work.mended_N, here_5), gone_HW, own_HW, here_5[3:], left_HW)
        planes.advance(_ONE, residual_N, _pixels(work.spare_N, here_5))
        gone_hw, coarse_hw = _grid(grids.gone_N, above_5), _grid(work.residual_N, above_5)
        planes.restrict(left_HW, gone_hw, above_5[3:], coarse_hw)
    _pixels(work.mended_N, place_L5[top])[:] = 0
    for _ in range(SWEEPS_AT_THE_TOP // 2):
        _sweep(grids, work, top, work.mended_N, work.spare_N)
        _sweep(grids, work, top, work.spare_N, work.mended_N)
    _sweep(grids, work, top, work.mended_N, work.spare_N)
    for level in range(top - 1, -1, -1):
        here_5 = place_L5[level]
        coarse_hw, mended_HW = (
            _grid(work.spare_N, place_L5[level + 1]),
            _grid(work.mended_N, here_5),
        )
        planes.add_between(coarse_hw, _grid(grids.gone_N, here_5), here_5[3:], mended_HW)
        _sweep(grids, work, level, work.mended_N, work.spare_N)


@compiled(inline=True)
def _sweep(grids: Grids, work: Work, level: int, mended_N: Array, swept_N: Array) -> None:
    place_5 = grids.place_L5[level]
    planes.sweep(
        _grid(work.residual_N, place_5),
        (_grid(grids.own_N, place_5), _grid(grids.step_N, place_5)),
        place_5[3:],
        _grid(mended_N, place_5),
        _grid(swept_N, place_5),
    )
