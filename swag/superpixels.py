"""Superpixels of an image, of the model's gradients, or of both, and pooling over them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import torch
from skimage.segmentation import quickshift, slic
from torch import Tensor

from swag.importance import Source, gradient_need, pixel_importance
from swag.signals import Signals

Features = Literal["image", "image_gradient", "gradient"]
Implementation = Literal["skimage", "torch"]
Statistic = Literal["mean", "max", "median", "sum"]


@runtime_checkable
class Segmenter(Protocol):
    """A frozen dataclass that divides the images of a batch into superpixels."""

    @property
    def needs(self) -> frozenset[str]:
        """Gradient signals it reads."""

    def __call__(self, signals: Signals) -> Tensor:
        """Return labels_BHW: int64, from 0 without gaps in each image, on the batch's device."""


@dataclass(frozen=True, kw_only=True)
class SLIC:
    """Clusters of similar pixels (Achanta et al., 2012; Hartley et al., eq. 4-6)."""

    features: Features = "image"
    num_segments: int = 300
    colour_weight: float = 10.0
    gradient_weight: float = 8.0
    gradient: Source = "guided_gradient"
    max_iterations: int = 10
    implementation: Implementation = "skimage"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset() if self.features == "image" else gradient_need(self.gradient)

    def __call__(self, signals: Signals) -> Tensor:
        labels = [self._segment(features_HWF) for features_HWF in self.features_BHWF(signals)]
        return torch.from_numpy(np.stack(labels)).long().to(signals.batch.device)

    def features_BHWF(self, signals: Signals) -> np.ndarray:
        """Return what the distance is taken of, in units of the step between superpixels."""
        parts = []
        if self.features != "gradient":
            parts.append(signals.lab_BHWC / self.colour_weight)
        if self.features != "image":
            parts.append(_scaled(signals, self.gradient)[..., None] / self.gradient_weight)
        return np.concatenate(parts, axis=-1)

    def _segment(self, features_HWF: np.ndarray) -> np.ndarray:
        extent = float(features_HWF.max() - features_HWF.min())
        return slic(
            features_HWF,
            n_segments=self.num_segments,
            compactness=1 / extent if extent else 1.0,
            max_num_iter=self.max_iterations,
            convert2lab=False,
            start_label=0,
            channel_axis=-1,
        )


def _scaled(signals: Signals, source: Source) -> np.ndarray:
    def compute() -> np.ndarray:
        value_BHW = pixel_importance(signals, source).double()
        low_B11 = value_BHW.amin((1, 2), keepdim=True)
        extent_B11 = value_BHW.amax((1, 2), keepdim=True) - low_B11
        extent_B11 = extent_B11.where(extent_B11 > 0, 1.0)
        return (100 * (value_BHW - low_B11) / extent_B11).cpu().numpy()

    return signals.once(("scaled_importance", source), compute)


@dataclass(frozen=True, kw_only=True)
class Quickshift:
    """Modes of the colour and position density (Vedaldi and Soatto, 2008); LIME's defaults."""

    needs: ClassVar[frozenset[str]] = frozenset()

    kernel_size: float = 4
    max_dist: float = 200
    ratio: float = 0.2

    def __call__(self, signals: Signals) -> Tensor:
        labels = [
            quickshift(
                lab_HWC,
                kernel_size=self.kernel_size,
                max_dist=self.max_dist,
                ratio=self.ratio,
                convert2lab=False,
            )
            for lab_HWC in signals.lab_BHWC
        ]
        return torch.from_numpy(np.stack(labels)).long().to(signals.batch.device)


Segmenters = SLIC | Quickshift


def pool(value_BHW: Tensor, labels_BHW: Tensor, statistic: Statistic) -> Tensor:
    """Return at each pixel the statistic of its superpixel's values, float32."""
    if statistic not in get_args(Statistic):
        raise ValueError(f"statistic {statistic!r} is unknown; choose one of {get_args(Statistic)}")
    num_images = len(labels_BHW)
    stride = int(labels_BHW.max()) + 1
    first_B11 = torch.arange(num_images, device=labels_BHW.device)[:, None, None] * stride
    index_N = (labels_BHW + first_B11).flatten()
    value_N = value_BHW.flatten().double()
    pooled_S = _reduce(value_N, index_N, num_images * stride, statistic)
    return pooled_S[index_N].view_as(value_BHW).float()


def _reduce(value_N: Tensor, index_N: Tensor, size: int, statistic: Statistic) -> Tensor:
    if statistic == "max":
        empty_S = value_N.new_full((size,), -math.inf)
        return empty_S.scatter_reduce(0, index_N, value_N, "amax")
    count_S = torch.bincount(index_N, minlength=size)
    if statistic == "median":
        order_N = value_N.argsort(stable=True)
        sorted_N = value_N[order_N][index_N[order_N].argsort(stable=True)]
        first_S = count_S.cumsum(0) - count_S
        low_S = first_S + (count_S - 1).clamp(min=0) // 2
        high_S = first_S + count_S // 2
        last = len(sorted_N) - 1
        return (sorted_N[low_S.clamp(max=last)] + sorted_N[high_S.clamp(max=last)]) / 2
    total_S = torch.bincount(index_N, value_N, minlength=size)
    return total_S / count_S if statistic == "mean" else total_S
