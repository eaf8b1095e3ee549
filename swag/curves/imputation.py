"""Removed pixels as means of their neighbours: ROAD's linear imputation (Rong et al., 2022).

Each removed pixel is to be the mean of its eight neighbours, those beside it with twice the weight
of those across its corners. That is one sparse linear system for each mask, which the authors solve
directly. Here it is solved by conjugate gradients, preconditioned by a multigrid cycle, from what
lies between the means of ever larger cells: by PyTorch for all masks of a pass together, and by
numba on the CPU for one channel of one copy after another, which stays in the processor's cache.

Shape suffixes as in `swag.types`, T being masks; `gone` is 1 where a pixel is removed, else 0. The
system is multiplied by 12, so that neighbours weigh 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from swag.curves.sweeps import (
    SWEEPS_AT_THE_TOP,
    Level,
    down,
    inner,
    interpolate,
    levels_of,
    mend,
    sums_of_cells,
    surplus,
    up,
)
from swag.superpixels.optional import compiled_module

TOLERANCE = 1e-3
"""How far a pixel may be from the mean of its neighbours, in units of the normalised image: a tenth
of the authors' noise."""
MAX_ITERATIONS = 60


def impute(image_CHW: Tensor, gone_T1HW: Tensor, *, compiled: bool = True) -> Tensor:
    """Return a copy of the image for each mask, its removed pixels imputed, without noise.

    Copies do not depend on each other. One without any pixel left becomes 0, the mean colour of a
    normalised image. `compiled` says whether numba may be used where it is installed, for single
    precision on the CPU; the copies are the same within the tolerance.
    """
    image_CHW, gone_T1HW = image_CHW.contiguous(), gone_T1HW.contiguous()
    solve = _solver(compiled and image_CHW.is_cpu and image_CHW.dtype == torch.float32)
    return solve(image_CHW, levels_of(gone_T1HW), 12 * TOLERANCE, MAX_ITERATIONS)


def _solver(compiled: bool) -> Callable[..., Tensor]:
    """Return numba's if asked for and installed, else PyTorch's."""
    module = compiled_module("swag.curves.compiled_imputation") if compiled else None
    found: Callable[..., Tensor] = solved if module is None else module.solved
    return found


def solved(image_CHW: Tensor, levels: list[Level], limit: float, iterations: int) -> Tensor:
    """Return the copies, after so many iterations or when no residual of theirs is above a limit.

    Each plane, which is a channel of a copy, is a system of its own: it stays as it is from where
    none of its residuals is above the limit.
    """
    copies_TCHW = _filled(image_CHW * (1 - levels[0].gone_T1HW), levels)
    residual_TCHW = surplus(copies_TCHW, levels[0])
    direction_TCHW = torch.zeros_like(copies_TCHW)
    last_TC11 = torch.ones_like(copies_TCHW[:, :, :1, :1])
    found_TCHW = torch.empty_like(copies_TCHW)
    left_T = torch.arange(len(copies_TCHW), device=image_CHW.device)
    for _ in range(iterations):
        going_TC11 = residual_TCHW.abs().amax((2, 3), keepdim=True) > limit
        going_T = going_TC11.any(1).flatten()
        if not bool(going_T.all()):
            found_TCHW[left_T] = copies_TCHW
            if not bool(going_T.any()):
                return found_TCHW
            levels = [level.of(going_T) for level in levels]
            left_T, copies_TCHW, residual_TCHW, direction_TCHW, last_TC11, going_TC11 = (
                each[going_T]
                for each in (
                    *(left_T, copies_TCHW, residual_TCHW),
                    *(direction_TCHW, last_TC11, going_TC11),
                )
            )
        better_TCHW = _cycle(residual_TCHW, levels)
        product_TC11 = inner(residual_TCHW, better_TCHW)
        direction_TCHW.mul_(_ratio(product_TC11, last_TC11)).add_(better_TCHW)
        change_TCHW = surplus(direction_TCHW, levels[0])  # the residual's fall, negated
        length_TC11 = _ratio(product_TC11, -inner(direction_TCHW, change_TCHW)) * going_TC11
        copies_TCHW.addcmul_(length_TC11, direction_TCHW)
        residual_TCHW.addcmul_(length_TC11, change_TCHW)
        last_TC11 = product_TC11
    found_TCHW[left_T] = copies_TCHW
    return found_TCHW


def _filled(value_TCHW: Tensor, levels: list[Level]) -> Tensor:
    """Write into removed pixels, which are 0, what lies between the means of the cells above."""
    level = levels[0]
    shown_T1HW = 1 - level.gone_T1HW
    if len(levels) == 1:
        total_TC11, count_T111 = (
            each.sum((2, 3), keepdim=True) for each in (value_TCHW, shown_T1HW)
        )
        return value_TCHW.addcmul_(level.gone_T1HW, total_TC11 / count_T111.clamp(min=1))
    count_T1hw, total_TChw = sums_of_cells(shown_T1HW), sums_of_cells(value_TCHW)
    above_TChw = _filled(total_TChw.div_(count_T1hw.clamp_(min=1)), levels[1:])
    interpolate(above_TChw, value_TCHW, level)
    return value_TCHW


def _cycle(residual_TCHW: Tensor, levels: list[Level]) -> Tensor:
    """Return what mends a residual nearly: a sweep, the same on the grid above, a sweep."""
    level = levels[0]
    mended_TCHW: Tensor
    if len(levels) == 1:
        mended_TCHW = level.step_T1HW * residual_TCHW
        mend(residual_TCHW, mended_TCHW, level, SWEEPS_AT_THE_TOP)
        return mended_TCHW
    mended_TCHW, above_TChw = down(residual_TCHW, level, levels[1])
    up(_cycle(above_TChw, levels[1:]), residual_TCHW, mended_TCHW, level)
    return mended_TCHW


def _ratio(above_TC11: Tensor, below_TC11: Tensor) -> Tensor:
    """Return the ratio, 0 where both are: a copy that is solved has nothing left to gain."""
    return above_TC11 / below_TC11.clamp(min=torch.finfo(below_TC11.dtype).tiny)
