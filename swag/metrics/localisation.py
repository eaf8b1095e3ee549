"""Does a box drawn round a saliency fit the object's (Table 5)?

Boxes are x0, y0, x1, y1 with x1 and y1 exclusive: a pixel (row, column) covers column to column + 1
and row to row + 1. For boxes of whole pixels this gives the same areas as counting from the first
to the last pixel and adding 1, which ImageNet's annotations and Fong and Vedaldi's code do.

Shape suffixes: A thresholds, N boxes of an image or, of `iou_NA` and what is made from it, images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swag.checks import require_finite, require_fit
from swag.held_out import choose_alpha, is_wrong
from swag.metrics.truths import arrays, known_boxes
from swag.signals import Signals
from swag.types import Score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class WeakLocalisation:
    """Overlap of the object with the box of what survives a threshold (Fong and Vedaldi, 2017).

    The saliency is shifted to minimum 0. A pixel survives where it is above 0 and at least

    - value: alpha times the maximum;
    - mean: alpha times the mean;
    - energy: the pixel with which the sum of the most salient pixels reaches alpha times the sum of
      all. Pixels as salient as that one survive with it, so that equal values share their fate.

    One tight box is drawn round all that survives. Columns `iou_value`, `iou_mean` and `iou_energy`
    hold for each alpha its intersection over union with the image's box that it overlaps best; 0
    where nothing survives. `localisation_error` makes Table 5 from them. The value is the smallest
    Jaccard distance, 1 - IoU, that any of the thresholds reaches; null without boxes.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    value_alphas: tuple[float, ...] = tuple(step / 20 for step in range(20))
    mean_alphas: tuple[float, ...] = tuple(step / 2 for step in range(21))
    energy_alphas: tuple[float, ...] = tuple(step / 20 for step in range(20))

    def __post_init__(self) -> None:
        for name in ("value", "mean", "energy"):
            alphas = getattr(self, f"{name}_alphas")
            if not alphas or min(alphas) < 0 or (name != "mean" and max(alphas) > 1):
                span = "0 or more" if name == "mean" else "0 to 1"
                raise ValueError(f"{name}_alphas must be at least one number of {span}: {alphas}")

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        require_finite(saliency_BHW)
        truths = signals.batch.boxes or (None,) * len(signals.batch)
        pairs = zip(arrays(saliency_BHW), truths, strict=True)
        iou_BA = np.stack([self._iou_A(saliency_HW, boxes_N4) for saliency_HW, boxes_N4 in pairs])
        value_end = len(self.value_alphas)
        mean_end = value_end + len(self.mean_alphas)
        column_BA = torch.from_numpy(iou_BA).float()
        return Score(
            value_B=torch.from_numpy(1 - iou_BA.max(1)),
            columns={
                "iou_value": column_BA[:, :value_end],
                "iou_mean": column_BA[:, value_end:mean_end],
                "iou_energy": column_BA[:, mean_end:],
            },
        )

    def _iou_A(self, saliency_HW: NDArray[np.float32], boxes_N4: Tensor | None) -> Floats:
        truth_N4 = known_boxes(boxes_N4)
        if truth_N4 is None:
            count = len(self.value_alphas) + len(self.mean_alphas) + len(self.energy_alphas)
            return np.full(count, np.nan)
        shifted_HW = saliency_HW.astype(np.float64) - saliency_HW.min()
        tau_A = np.concatenate(
            [
                np.array(self.value_alphas) * shifted_HW.max(),
                np.array(self.mean_alphas) * shifted_HW.mean(),
                energy_threshold(saliency_HW, np.array(self.energy_alphas)),
            ]
        )
        return best_iou(tight_boxes(shifted_HW, tau_A), truth_N4)


def energy_threshold(saliency_HW: NDArray[np.float32], alpha_A: Floats) -> Floats:
    """Return the shifted value with which the descending sum reaches each share of the total."""
    falling_P = np.sort(saliency_HW, axis=None)[::-1].astype(np.float64)
    falling_P -= falling_P[-1]
    total_P = falling_P.cumsum()
    tau_A: Floats = falling_P[np.searchsorted(total_P, alpha_A * total_P[-1])]
    return tau_A


def tight_boxes(shifted_HW: Floats, tau_A: Floats) -> Floats:
    """Return the box round the pixels that are positive and at least tau; zeros where none is.

    The maxima of rows and columns tell where such pixels are, so no mask is made.
    """
    box_A4 = np.zeros((len(tau_A), 4))
    for axis in (0, 1):
        most_L = shifted_HW.max(axis)
        kept_AL = (most_L >= tau_A[:, None]) & (most_L > 0)
        box_A4[:, axis] = kept_AL.argmax(1)
        box_A4[:, axis + 2] = kept_AL.shape[1] - kept_AL[:, ::-1].argmax(1)
        box_A4[~kept_AL.any(1)] = 0
    return box_A4


def best_iou(box_A4: Floats, truth_N4: Floats) -> Floats:
    """Return each box's largest intersection over union with any of the true boxes."""
    low_AN2 = np.maximum(box_A4[:, None, :2], truth_N4[:, :2])
    high_AN2 = np.minimum(box_A4[:, None, 2:], truth_N4[:, 2:])
    shared_AN = (high_AN2 - low_AN2).clip(0).prod(2)
    union_AN = _area(box_A4)[:, None] + _area(truth_N4) - shared_AN
    best_A: Floats = (shared_AN / union_AN).max(1)
    return best_A


def _area(box_N4: Floats) -> Floats:
    area_N: Floats = (box_N4[:, 2:] - box_N4[:, :2]).prod(1)
    return area_N


class LocalisationError(NamedTuple):
    """How a threshold did on images that it was not chosen on."""

    alpha_index: int
    error: float
    """Share of the evaluated images without a box that overlaps by more than half."""
    n: int
    """Evaluated images."""


def localisation_error(iou_NA: Floats, held_out_N: Bools) -> LocalisationError:
    """Choose alpha on the held-out images and return the error on the others.

    Args:
        iou_NA: a column of `WeakLocalisation` for images of one data set, model and explainer.
        held_out_N: `is_held_out` of the same images.

    Raises:
        ValueError: no image with boxes is held out, or none is left.
    """
    alpha_index = choose_alpha(iou_NA, held_out_N)
    iou_N = iou_NA[~held_out_N, alpha_index]
    iou_N = iou_N[~np.isnan(iou_N)]
    if not len(iou_N):
        raise ValueError("every image with boxes is held out, so none is left; use more images")
    return LocalisationError(alpha_index, float(is_wrong(iou_N).mean()), len(iou_N))
