"""Does a saliency lie on the object? Its maximum, its energy, its order and its extent.

All of it follows from the saliency and the image's boxes or mask; no model is run. Where the object
is known by construction, these are plausibility and faithfulness at once; elsewhere a model may
well look at something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from swag.curves.ranks import descending_order
from swag.metrics.truths import Bools, Floats, Truth, judged
from swag.signals import Signals
from swag.types import Score


@dataclass(frozen=True, kw_only=True)
class PointingGame:
    """1 where the most salient pixel lies on the object, else 0 (Zhang et al., 2018).

    Of equally salient pixels the first in row-major order counts; unlike in the original there is
    no margin round the object. Null without the ground truth.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    truth: Truth = "boxes"

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        values = [
            np.nan if inside_HW is None else float(inside_HW.flat[saliency_HW.argmax()])
            for saliency_HW, inside_HW in judged(signals, saliency_BHW, self.truth)
        ]
        return Score(value_B=torch.tensor(values, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class EnergyInBox:
    """Share of the positive saliency that lies on the object (Wang et al., 2020, Score-CAM).

    Null without the ground truth, and for a saliency that is nowhere positive.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    truth: Truth = "boxes"

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        values = []
        for saliency_HW, inside_HW in judged(signals, saliency_BHW, self.truth):
            energy_HW = saliency_HW.astype(np.float64).clip(0)
            total = energy_HW.sum()
            known = inside_HW is not None and total > 0
            values.append(energy_HW[inside_HW].sum() / total if known else np.nan)
        return Score(value_B=torch.tensor(values, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class RelevanceRankAccuracy:
    """Share of the object's K pixels among the K most salient ones (Arras et al., 2022, CLEVR-XAI).

    Of equally salient pixels the first in row-major order comes first, as in deletion. Null without
    the ground truth. `EnergyInBox` is the same authors' relevance mass accuracy.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    truth: Truth = "mask"

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        pairs = judged(signals, saliency_BHW, self.truth)
        order_BP = descending_order(saliency_BHW.detach().cpu().flatten(1)).numpy()
        values = []
        for (_, inside_HW), order_P in zip(pairs, order_BP, strict=True):
            if inside_HW is None:
                values.append(np.nan)
                continue
            size = int(inside_HW.sum())
            values.append(inside_HW.ravel()[order_P[:size]].sum() / size)
        return Score(value_B=torch.tensor(values, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class ROCAUC:
    """Chance that a pixel of the object is more salient than one beside it; equal ones count half.

    The area under the receiver operating characteristic of the saliency as a classifier of pixels.
    Null without the ground truth, and where the object covers the image.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    truth: Truth = "mask"

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        values = [
            np.nan if inside_HW is None else _roc_auc(saliency_HW, inside_HW)
            for saliency_HW, inside_HW in judged(signals, saliency_BHW, self.truth)
        ]
        return Score(value_B=torch.tensor(values, dtype=torch.float64))


@dataclass(frozen=True, kw_only=True)
class MaskIoU:
    """Overlap of the object with the pixels that survive a threshold.

    The saliency is shifted to minimum 0; a pixel survives where it is above 0 and at least alpha
    times the maximum. Column `mask_iou` holds for each alpha the intersection over union with the
    object; a report chooses alpha on held-out images (`choose_overlap`). The value is the largest
    that any alpha reaches, which knows the answer; null without the ground truth.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    truth: Truth = "mask"
    alphas: tuple[float, ...] = tuple(step / 20 for step in range(20))

    def __post_init__(self) -> None:
        if not self.alphas or min(self.alphas) < 0 or max(self.alphas) > 1:
            raise ValueError(f"alphas must be at least one number of 0 to 1, got {self.alphas}")

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        alpha_A = np.array(self.alphas)
        iou_BA = np.stack(
            [
                np.full(len(alpha_A), np.nan)
                if inside_HW is None
                else _mask_iou(saliency_HW, inside_HW, alpha_A)
                for saliency_HW, inside_HW in judged(signals, saliency_BHW, self.truth)
            ]
        )
        return Score(
            value_B=torch.from_numpy(iou_BA.max(1)),
            columns={"mask_iou": torch.from_numpy(iou_BA).float()},
        )


def _roc_auc(saliency_HW: NDArray[np.float32], inside_HW: Bools) -> float:
    from scipy.stats import rankdata  # noqa: PLC0415 - a sixth of all that is imported

    inside_P = inside_HW.ravel()
    hits = int(inside_P.sum())
    rest = inside_P.size - hits
    if not rest:
        return float("nan")
    rank_P = rankdata(saliency_HW.ravel())
    return float((rank_P[inside_P].sum() - hits * (hits + 1) / 2) / (hits * rest))


def _mask_iou(saliency_HW: NDArray[np.float32], inside_HW: Bools, alpha_A: Floats) -> Floats:
    """Return the overlap at each threshold, from counts of the sorted pixels."""
    shifted_P = saliency_HW.ravel().astype(np.float64) - saliency_HW.min()
    order_P = np.argsort(-shifted_P, kind="stable")
    rising_P = shifted_P[order_P][::-1]
    hits_P = np.concatenate([[0], inside_HW.ravel()[order_P].cumsum()])
    tau_A = alpha_A * shifted_P.max()
    kept_A = shifted_P.size - np.searchsorted(rising_P, tau_A, side="left")
    kept_A = np.minimum(kept_A, np.count_nonzero(shifted_P > 0))
    shared_A = hits_P[kept_A]
    iou_A: Floats = shared_A / (kept_A + hits_P[-1] - shared_A)
    return iou_A
