"""Removed pixels as means of their neighbours: ROAD's linear imputation (Rong et al., 2022).

Each removed pixel is to be the mean of its eight neighbours, those beside it with twice the weight
of those across its corners. That is one sparse linear system for each mask, which the authors solve
directly. Here all masks of a pass are solved together by conjugate gradients, preconditioned by a
multigrid cycle, from what lies between the means of ever larger cells.

Shape suffixes as in `swag.types`, T being masks; `gone` is 1 where a pixel is removed, else 0. The
system is multiplied by 12, so that neighbours weigh 1 and 2.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor

from swag.curves.sweeps import Level, levels_of, sums_of_cells

TOLERANCE = 1e-3
"""How far a pixel may be from the mean of its neighbours, in units of the normalised image: a tenth
of the authors' noise."""
MAX_ITERATIONS = 60
_SWEEPS_AT_THE_TOP = 20


def impute(image_CHW: Tensor, gone_T1HW: Tensor, *, compiled: bool = True) -> Tensor:
    """Return a copy of the image for each mask, its removed pixels imputed, without noise.

    Copies do not depend on each other. One without any pixel left becomes 0, the mean colour of a
    normalised image. `compiled` says whether numba may be used where it is installed, for single
    precision on the CPU; the copies are the same within rounding.
    """
    image_CHW, gone_T1HW = image_CHW.contiguous(), gone_T1HW.contiguous()
    sweeps = _sweeps(compiled and image_CHW.is_cpu and image_CHW.dtype == torch.float32)
    levels = levels_of(gone_T1HW)
    copies_TCHW = _filled(sweeps, image_CHW * (1 - gone_T1HW), levels)
    residual_TCHW = sweeps.surplus(copies_TCHW, levels[0])
    direction_TCHW = torch.zeros_like(copies_TCHW)
    last_T111 = image_CHW.new_ones(len(copies_TCHW), 1, 1, 1)
    found_TCHW = torch.empty_like(copies_TCHW)
    left_T = torch.arange(len(copies_TCHW), device=image_CHW.device)
    for _ in range(MAX_ITERATIONS):
        going_T = sweeps.is_above(residual_TCHW, 12 * TOLERANCE)
        if not bool(going_T.all()):
            found_TCHW[left_T] = copies_TCHW
            if not bool(going_T.any()):
                return found_TCHW
            levels = [level.of(going_T) for level in levels]
            left_T, copies_TCHW, residual_TCHW, direction_TCHW, last_T111 = (
                each[going_T]
                for each in (left_T, copies_TCHW, residual_TCHW, direction_TCHW, last_T111)
            )
        better_TCHW = _cycle(sweeps, residual_TCHW, levels)
        product_T111 = sweeps.inner(residual_TCHW, better_TCHW)
        sweeps.turn(direction_TCHW, _ratio(product_T111, last_T111), better_TCHW)
        change_TCHW = sweeps.surplus(direction_TCHW, levels[0])  # the residual's fall, negated
        length_T111 = _ratio(product_T111, -sweeps.inner(direction_TCHW, change_TCHW))
        sweeps.advance(length_T111, direction_TCHW, change_TCHW, copies_TCHW, residual_TCHW)
        last_T111 = product_T111
    found_TCHW[left_T] = copies_TCHW
    return found_TCHW


@lru_cache
def _sweeps(compiled: bool) -> ModuleType:
    """Return those of numba if asked for and installed, else those of PyTorch."""
    if compiled:
        try:
            return import_module("swag.curves.compiled_sweeps")
        except ImportError:
            pass
    return import_module("swag.curves.sweeps")


def _filled(sweeps: ModuleType, value_TCHW: Tensor, levels: list[Level]) -> Tensor:
    """Write into removed pixels, which are 0, what lies between the means of the cells above."""
    level = levels[0]
    shown_T1HW = 1 - level.gone_T1HW
    if len(levels) == 1:
        total_TC11, count_T111 = (
            each.sum((2, 3), keepdim=True) for each in (value_TCHW, shown_T1HW)
        )
        return value_TCHW.addcmul_(level.gone_T1HW, total_TC11 / count_T111.clamp(min=1))
    count_T1hw, total_TChw = sums_of_cells(shown_T1HW), sums_of_cells(value_TCHW)
    above_TChw = _filled(sweeps, total_TChw.div_(count_T1hw.clamp_(min=1)), levels[1:])
    sweeps.interpolate(above_TChw, value_TCHW, level)
    return value_TCHW


def _cycle(sweeps: ModuleType, residual_TCHW: Tensor, levels: list[Level]) -> Tensor:
    """Return what mends a residual nearly: a sweep, the same on the grid above, a sweep."""
    level = levels[0]
    mended_TCHW: Tensor
    if len(levels) == 1:
        mended_TCHW = level.step_T1HW * residual_TCHW
        sweeps.mend(residual_TCHW, mended_TCHW, level, _SWEEPS_AT_THE_TOP)
        return mended_TCHW
    mended_TCHW, above_TChw = sweeps.down(residual_TCHW, level, levels[1])
    sweeps.up(_cycle(sweeps, above_TChw, levels[1:]), residual_TCHW, mended_TCHW, level)
    return mended_TCHW


def _ratio(above_T111: Tensor, below_T111: Tensor) -> Tensor:
    """Return the ratio, 0 where both are: a copy that is solved has nothing left to gain."""
    return above_T111 / below_T111.clamp(min=torch.finfo(below_T111.dtype).tiny)
