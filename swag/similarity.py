"""How alike two maps of an image are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import skimage
import torch
from torch import Tensor

from swag.parallel import each

Similarity = Literal["spearman", "pearson", "ssim", "hog"]
"""Rank correlation, ties (values that differ by less than 1e-5 of the range) sharing their mean
rank; linear correlation; structural similarity with windows of 7x7 pixels, over the range of both
maps; linear correlation of the histograms of oriented gradients (Dalal and Triggs, 2005) of the
maps, each brought to 0..1, of 9 directions in cells of 8x8 pixels and blocks of 3x3 cells. 1: the
same; the first two also where one is a rising function of the other, at all or a linear one, the
last one where it is a rising linear one."""
STEPS = 1e5
HOG_CELL, HOG_BLOCK = 8, 3


def similarity(first_BHW: Tensor, second_BHW: Tensor, kind: Similarity) -> Tensor:
    """Return float64 (B,); NaN where a map is constant, or not finite.

    Raises:
        ValueError: maps are smaller than what "ssim" (7x7) or "hog" (24x24) compares.
    """
    compare = KINDS[kind]
    pairs = zip(_arrays(first_BHW), _arrays(second_BHW), strict=True)
    found = each(lambda pair: _of_pair(pair, compare), list(pairs))
    return torch.tensor(found, dtype=torch.float64, device=first_BHW.device)


def _arrays(map_BHW: Tensor) -> list[np.ndarray]:
    return list(map_BHW.detach().cpu().double().numpy())


def _of_pair(
    pair: tuple[np.ndarray, np.ndarray], compare: Callable[[np.ndarray, np.ndarray], float]
) -> float:
    if not all(np.isfinite(item).all() and item.min() < item.max() for item in pair):
        return float("nan")
    return compare(*map(_without_rounding, pair))


def _without_rounding(map_HW: np.ndarray) -> np.ndarray:
    """Return a map in steps of its range: values that only rounding parts are equal."""
    low, high = map_HW.min(), map_HW.max()
    step_HW: np.ndarray = np.round((map_HW - low) / (high - low) * STEPS)
    found_HW: np.ndarray = low + step_HW * ((high - low) / STEPS)
    return found_HW


def _pearson(first_HW: np.ndarray, second_HW: np.ndarray) -> float:
    return float(np.corrcoef(first_HW.ravel(), second_HW.ravel())[0, 1])


def _spearman(first_HW: np.ndarray, second_HW: np.ndarray) -> float:
    from scipy.stats import rankdata  # noqa: PLC0415 - a sixth of all that is imported

    return _pearson(rankdata(first_HW), rankdata(second_HW))


def _ssim(first_HW: np.ndarray, second_HW: np.ndarray) -> float:
    both = np.concatenate([first_HW, second_HW])
    return float(
        skimage.metrics.structural_similarity(
            first_HW, second_HW, data_range=both.max() - both.min()
        )
    )


def _hog(first_HW: np.ndarray, second_HW: np.ndarray) -> float:
    from skimage.feature import hog  # noqa: PLC0415 - seldom needed

    least = HOG_CELL * HOG_BLOCK
    if min(first_HW.shape) < least:
        height, width = first_HW.shape
        raise ValueError(
            f"similarity 'hog' compares maps of at least {least}x{least} pixels, got "
            f"{height}x{width}; choose another one"
        )
    cells = {"pixels_per_cell": (HOG_CELL,) * 2, "cells_per_block": (HOG_BLOCK,) * 2}
    # What is too small a gradient in it is an absolute number.
    found = [hog((m - m.min()) / np.ptp(m), orientations=9, **cells) for m in (first_HW, second_HW)]
    if any(np.ptp(histogram) == 0 for histogram in found):
        return float("nan")
    return _pearson(*found)


KINDS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "spearman": _spearman,
    "pearson": _pearson,
    "ssim": _ssim,
    "hog": _hog,
}
