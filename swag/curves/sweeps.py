"""What `imputation` does to all pixels at once, as plain operations of whole tensors.

`planes` has the same for the CPU, of one plane. Shape suffixes as in `imputation`; h and w are
half as many rows and columns, rounded up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

_LAST_SIDE = 4
SWEEPS_AT_THE_TOP = 20


class Level(NamedTuple):
    """The system on a grid of cells twice as wide as those of the level below."""

    gone_T1HW: Tensor
    own_11HW: Tensor
    """The weight that a pixel's neighbours and itself have in `_around`."""
    step_T1HW: Tensor
    """What a sweep of Jacobi's method multiplies the residual by."""

    def of(self, chosen_T: Tensor) -> Level:
        """Return that of some copies, bool (T,)."""
        return Level(self.gone_T1HW[chosen_T], self.own_11HW, self.step_T1HW[chosen_T])


def levels_of(gone_T1HW: Tensor) -> list[Level]:
    """Return the grids from that of the pixels up. A cell is unknown if all its pixels are."""
    inside_11HW = torch.ones_like(gone_T1HW[:1])
    levels = []
    while True:
        own_11HW = _around(inside_11HW)
        step_T1HW = gone_T1HW / (own_11HW - 4 * inside_11HW).clamp(min=1e-6)
        levels.append(Level(gone_T1HW, own_11HW, step_T1HW))
        if max(gone_T1HW.shape[-2:]) <= _LAST_SIDE or not bool(gone_T1HW.any()):
            return levels
        known_T1hw = _of_cells(inside_11HW - gone_T1HW, torch.maximum)
        inside_11HW = _of_cells(inside_11HW, torch.maximum)
        gone_T1HW = (inside_11HW - known_T1hw).clamp_(min=0)


def surplus(value_TCHW: Tensor, level: Level) -> Tensor:
    """Return by how much the neighbours of each removed pixel are above it."""
    around_TCHW = _around(value_TCHW)
    return around_TCHW.addcmul_(level.own_11HW, value_TCHW, value=-1).mul_(level.gone_T1HW)


def down(residual_TCHW: Tensor, level: Level, above: Level) -> tuple[Tensor, Tensor]:
    """Sweep once from 0; return what mends so far, and what is left on cells twice as wide.

    The latter are sums, where cells are unknown: the transpose of bilinear interpolation.
    """
    mended_TCHW = level.step_T1HW * residual_TCHW
    left_TCHW = surplus(mended_TCHW, level).add_(residual_TCHW)
    height, width = left_TCHW.shape[-2:]
    wide = pad(left_TCHW, (1, 1 + width % 2, 1, 1 + height % 2))
    wide = (wide[..., 0:-3:2, :] + wide[..., 3::2, :]).add_(
        wide[..., 1:-2:2, :] + wide[..., 2:-1:2, :], alpha=3
    )
    wide = (wide[..., 0:-3:2] + wide[..., 3::2]).add_(
        wide[..., 1:-2:2] + wide[..., 2:-1:2], alpha=3
    )
    return mended_TCHW, wide.div_(16).mul_(above.gone_T1HW)


def up(coarse_TChw: Tensor, residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """Add what mends cells twice as wide, and sweep once."""
    interpolate(coarse_TChw, mended_TCHW, level)
    mend(residual_TCHW, mended_TCHW, level)


def mend(residual_TCHW: Tensor, mended_TCHW: Tensor, level: Level, times: int = 1) -> None:
    """Sweep by Jacobi's method: add to `mended` what is left asks for."""
    for _ in range(times):
        left_TCHW = surplus(mended_TCHW, level).add_(residual_TCHW)
        mended_TCHW.addcmul_(level.step_T1HW, left_TCHW)


def interpolate(value_TChw: Tensor, mended_TCHW: Tensor, level: Level) -> None:
    """Add to removed pixels what lies between cells twice as wide, bilinear.

    `torch.nn.functional.interpolate` takes several times as long.
    """
    wide = pad(value_TChw, (1, 1, 0, 0), mode="replicate")
    parts = (
        torch.lerp(value_TChw, wide[..., :-2], 0.25),
        torch.lerp(value_TChw, wide[..., 2:], 0.25),
    )
    value_TChW = torch.stack(parts, -1).flatten(-2)
    wide = pad(value_TChW, (0, 0, 1, 1), mode="replicate")
    rows = wide[..., :-2, :], wide[..., 2:, :]
    parts = torch.lerp(value_TChW, rows[0], 0.25), torch.lerp(value_TChW, rows[1], 0.25)
    height, width = mended_TCHW.shape[-2:]
    finer_TCHW = torch.stack(parts, -2).flatten(-3, -2)[..., :height, :width]
    mended_TCHW.addcmul_(level.gone_T1HW, finer_TCHW)


def inner(left_TCHW: Tensor, right_TCHW: Tensor) -> Tensor:
    """Return the sum of products of each plane, (T, C, 1, 1)."""
    return (left_TCHW * right_TCHW).sum((2, 3), keepdim=True)


def _around(value_TCHW: Tensor) -> Tensor:
    """Return the sum of each pixel's neighbours, weighted 1 and 2, and of 4 times itself."""
    wide = pad(value_TCHW, (1, 1, 1, 1))
    wide = (wide[..., :-2] + wide[..., 2:]).add_(wide[..., 1:-1], alpha=2)
    return (wide[..., :-2, :] + wide[..., 2:, :]).add_(wide[..., 1:-1, :], alpha=2)


def sums_of_cells(value_TCHW: Tensor) -> Tensor:
    """Return sums over cells twice as wide."""
    return _of_cells(value_TCHW, torch.add)


def _of_cells(value_TCHW: Tensor, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Combine cells of two by two, with 0 beyond the edge; pooling takes several times as long."""
    height, width = value_TCHW.shape[-2:]
    odd = height % 2 or width % 2
    wide = pad(value_TCHW, (0, width % 2, 0, height % 2)) if odd else value_TCHW
    wide = combine(wide[..., ::2, :], wide[..., 1::2, :])
    return combine(wide[..., ::2], wide[..., 1::2])
