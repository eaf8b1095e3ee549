"""Removed pixels as means of their neighbours: ROAD's linear imputation (Rong et al., 2022).

Each removed pixel is to be the mean of its eight neighbours, those beside it with twice the weight
of those across its corners. That is one sparse linear system for each mask, which the authors solve
directly. Here all masks of a pass are solved together by conjugate gradients, preconditioned by a
multigrid cycle of plain operations of whole tensors.

Shape suffixes as in `swag.types`, T being masks; `gone` is 1 where a pixel is removed, else 0. The
system is multiplied by 12, so that neighbours weigh 1 and 2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

TOLERANCE = 1e-3
"""How far a pixel may be from the mean of its neighbours, in units of the normalised image: a tenth
of the authors' noise."""
MAX_ITERATIONS = 60
_LAST_SIDE = 4
_SWEEPS_AT_THE_TOP = 6


class _Level(NamedTuple):
    """The system on a grid of cells twice as wide as those of the level below."""

    gone_T1HW: Tensor
    own_11HW: Tensor
    """What `_around` is to a pixel that is equal to its neighbours."""
    step_T1HW: Tensor
    """What a sweep of Jacobi's method multiplies the residual by."""


def impute(image_CHW: Tensor, gone_T1HW: Tensor) -> Tensor:
    """Return a copy of the image for each mask, its removed pixels imputed, without noise.

    Copies do not depend on each other. One without any pixel left becomes 0, the mean colour of a
    normalised image.
    """
    copies_TCHW = torch.lerp(image_CHW, _middle(image_CHW, gone_T1HW), gone_T1HW)
    levels = _levels(gone_T1HW)
    residual_TCHW = _surplus(copies_TCHW, levels[0])
    direction_TCHW, last_T111 = torch.zeros_like(copies_TCHW), None
    for _ in range(MAX_ITERATIONS):
        going_T111 = residual_TCHW.abs().amax((1, 2, 3), keepdim=True) > 12 * TOLERANCE
        if not bool(going_T111.any()):
            break
        better_TCHW = _cycle(residual_TCHW, levels)
        product_T111 = _inner(residual_TCHW, better_TCHW)
        if last_T111 is not None:
            direction_TCHW.mul_(_ratio(product_T111, last_T111))
        direction_TCHW.add_(better_TCHW)
        change_TCHW = _surplus(direction_TCHW, levels[0])  # what the residual falls by, negated
        length_T111 = _ratio(product_T111, -_inner(direction_TCHW, change_TCHW)) * going_T111
        copies_TCHW.addcmul_(length_T111, direction_TCHW)
        residual_TCHW.addcmul_(length_T111, change_TCHW)
        last_T111 = product_T111
    return copies_TCHW


def _levels(gone_T1HW: Tensor) -> list[_Level]:
    """Return the grids from that of the pixels up. A cell is unknown if all its pixels are."""
    inside_11HW = torch.ones_like(gone_T1HW[:1])
    levels = []
    while True:
        own_11HW = _around(inside_11HW)
        step_T1HW = gone_T1HW / (own_11HW - 4 * inside_11HW).clamp(min=1e-6)
        levels.append(_Level(gone_T1HW, own_11HW, step_T1HW))
        if max(gone_T1HW.shape[-2:]) <= _LAST_SIDE or not bool(gone_T1HW.any()):
            return levels
        known_T1hw = _largest_of_cells(inside_11HW - gone_T1HW)
        inside_11HW = _largest_of_cells(inside_11HW)
        gone_T1HW = (inside_11HW - known_T1hw).clamp_(min=0)


def _cycle(residual_TCHW: Tensor, levels: list[_Level]) -> Tensor:
    """Return what mends a residual nearly: a sweep, the same on the grid above, a sweep."""
    level = levels[0]
    mended_TCHW = level.step_T1HW * residual_TCHW
    if len(levels) == 1:
        for _ in range(_SWEEPS_AT_THE_TOP):
            mended_TCHW.addcmul_(level.step_T1HW, _left(residual_TCHW, mended_TCHW, level))
        return mended_TCHW
    above_TChw = _restricted(_left(residual_TCHW, mended_TCHW, level)).mul_(levels[1].gone_T1HW)
    height, width = residual_TCHW.shape[-2:]
    finer_TCHW = _interpolated(_cycle(above_TChw, levels[1:]))[..., :height, :width]
    mended_TCHW.addcmul_(level.gone_T1HW, finer_TCHW)
    return mended_TCHW.addcmul_(level.step_T1HW, _left(residual_TCHW, mended_TCHW, level))


def _surplus(value_TCHW: Tensor, level: _Level) -> Tensor:
    """Return by how much the neighbours of each removed pixel are above it."""
    around_TCHW = _around(value_TCHW)
    return around_TCHW.addcmul_(level.own_11HW, value_TCHW, value=-1).mul_(level.gone_T1HW)


def _left(residual_TCHW: Tensor, mended_TCHW: Tensor, level: _Level) -> Tensor:
    """Return what is left of a residual once `mended` is added."""
    return _surplus(mended_TCHW, level).add_(residual_TCHW)


def _around(value_TCHW: Tensor) -> Tensor:
    """Return the sum of each pixel's neighbours, weighted 1 and 2, and of 4 times itself."""
    wide = pad(value_TCHW, (1, 1, 1, 1))
    wide = (wide[..., :-2] + wide[..., 2:]).add_(wide[..., 1:-1], alpha=2)
    return (wide[..., :-2, :] + wide[..., 2:, :]).add_(wide[..., 1:-1, :], alpha=2)


def _restricted(value_TCHW: Tensor) -> Tensor:
    """Return sums over cells twice as wide: the transpose of bilinear interpolation."""
    height, width = value_TCHW.shape[-2:]
    wide = pad(value_TCHW, (1, 1 + width % 2, 1, 1 + height % 2))
    wide = (wide[..., 0:-3:2, :] + wide[..., 3::2, :]).add_(
        wide[..., 1:-2:2, :] + wide[..., 2:-1:2, :], alpha=3
    )
    wide = (wide[..., 0:-3:2] + wide[..., 3::2]).add_(
        wide[..., 1:-2:2] + wide[..., 2:-1:2], alpha=3
    )
    return wide.div_(16)


def _interpolated(value_TChw: Tensor) -> Tensor:
    """Return a map on cells half as wide, bilinear; `interpolate` takes several times as long."""
    wide = pad(value_TChw, (1, 1, 0, 0), mode="replicate")
    parts = (
        torch.lerp(value_TChw, wide[..., :-2], 0.25),
        torch.lerp(value_TChw, wide[..., 2:], 0.25),
    )
    value_TChW = torch.stack(parts, -1).flatten(-2)
    wide = pad(value_TChW, (0, 0, 1, 1), mode="replicate")
    rows = wide[..., :-2, :], wide[..., 2:, :]
    parts = torch.lerp(value_TChW, rows[0], 0.25), torch.lerp(value_TChW, rows[1], 0.25)
    return torch.stack(parts, -2).flatten(-3, -2)


def _largest_of_cells(value_TCHW: Tensor) -> Tensor:
    height, width = value_TCHW.shape[-2:]
    return torch.nn.functional.max_pool2d(pad(value_TCHW, (0, width % 2, 0, height % 2)), 2)


def _middle(image_CHW: Tensor, gone_T1HW: Tensor) -> Tensor:
    """Return the mean colour of what each mask leaves; 0 where it leaves nothing."""
    shown_T1HW = 1 - gone_T1HW
    total_TC = torch.einsum("chw,thw->tc", image_CHW, shown_T1HW[:, 0])
    return (total_TC / shown_T1HW.sum((2, 3)).clamp(min=1))[:, :, None, None]


def _inner(left_TCHW: Tensor, right_TCHW: Tensor) -> Tensor:
    return (left_TCHW * right_TCHW).sum((1, 2, 3), keepdim=True)


def _ratio(above_T111: Tensor, below_T111: Tensor) -> Tensor:
    """Return the ratio, 0 where both are: a copy that is solved has nothing left to gain."""
    return above_T111 / below_T111.clamp(min=torch.finfo(below_T111.dtype).tiny)
