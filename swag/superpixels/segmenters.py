"""Segmenters: what divides the images of a batch into superpixels."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
import skimage
import torch
from torch import Tensor

from swag.checks import require_at_least, require_one_of, require_positive
from swag.importance import Source, gradient_need, passes_of_source, pixel_importance
from swag.parallel import each
from swag.protocols import Passes
from swag.signals import Signals
from swag.superpixels.graph import regions
from swag.superpixels.lab import lab_BHWC
from swag.superpixels.optional import compiled_module
from swag.superpixels.slic import slic_BHW
from swag.types import SAME_RESULT

Features = Literal["image", "image_gradient", "gradient"]
Implementation = Literal["skimage", "torch"]


@dataclass(frozen=True, kw_only=True)
class SLIC:
    """Connected clusters of similar, close pixels (Achanta et al., 2012).

    What similar means is Hartley et al., eq. 4 ("image"), eq. 5 ("image_gradient") or eq. 6
    ("gradient"): distances of the Lab colours and of the pixel importance `gradient`, which is
    brought to 0..100 within each image, each divided by its weight.
    """

    features: Features = "image"
    num_segments: int = 300
    """Cells of the initial grid, about; small superpixels then merge with others."""
    colour_weight: float = 10.0
    """w_c; higher ones make rounder superpixels that follow colours less."""
    gradient_weight: float = 8.0
    """w_g, likewise."""
    gradient: Source = "guided_gradient"
    max_iterations: int = 10
    implementation: Implementation = "skimage"
    """scikit-image's labels, an image a thread, or `slic_BHW`, all at once on their device."""
    compiled: bool = field(default=True, repr=False, compare=False, metadata={SAME_RESULT: True})
    """Compute scikit-image's labels by code that numba compiles, where it is installed, and not by
    scikit-image itself, which takes four times as long for the same labels."""

    def __post_init__(self) -> None:
        require_one_of("features", self.features, get_args(Features))
        require_one_of("gradient", self.gradient, get_args(Source))
        require_one_of("implementation", self.implementation, get_args(Implementation))
        for name in ("num_segments", "max_iterations"):
            require_at_least(name, getattr(self, name), 1)
        for name in ("colour_weight", "gradient_weight"):
            require_positive(name, getattr(self, name))

    @property
    def needs(self) -> frozenset[str]:
        return frozenset() if self.features == "image" else gradient_need(self.gradient)

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        return {} if self.features == "image" else passes_of_source(self.gradient)

    def __call__(self, signals: Signals) -> Tensor:
        features_BHWF = self.features_BHWF(signals)
        if self.implementation == "torch":
            return slic_BHW(features_BHWF, self.num_segments, self.max_iterations)
        return _stacked(each(self._segment, features_BHWF.numpy()), signals)

    def features_BHWF(self, signals: Signals) -> Tensor:
        """Return what a pixel is compared by, in units of the spacing of superpixels, float64.

        They lie where the implementation works: on the CPU or on the batch's device.
        """
        parts = []
        if self.features != "gradient":
            parts.append(self._colour_BHWC(signals) / self.colour_weight)
        if self.features != "image":
            parts.append(_scaled_BHW(signals, self.gradient)[..., None] / self.gradient_weight)
        device = "cpu" if self.implementation == "skimage" else signals.batch.device
        return torch.cat([part.to(device) for part in parts], dim=-1)

    def _colour_BHWC(self, signals: Signals) -> Tensor:
        """Return CIELAB, the bits of which are the same whatever computes it."""
        image_BCHW = signals.batch.image_BCHW
        if image_BCHW.shape[1] != 3:
            return torch.from_numpy(signals.lab_BHWC)
        module = compiled_module("swag.superpixels.compiled_lab")
        if self.implementation == "skimage" and self.compiled and module:
            images = image_BCHW.cpu().numpy()
            return signals.once(
                "lab", lambda: torch.from_numpy(np.stack(each(module.lab_HWC, images)))
            )
        return signals.once("lab_on_device", lambda: lab_BHWC(image_BCHW))

    def _segment(self, features_HWF: np.ndarray) -> np.ndarray:
        module = compiled_module("swag.superpixels.compiled")
        labels_HW: np.ndarray | None = None
        if self.compiled and module:
            labels_HW = module.slic_HW(features_HWF, self.num_segments, self.max_iterations)
        return self._skimage_HW(features_HWF) if labels_HW is None else labels_HW

    def _skimage_HW(self, features_HWF: np.ndarray) -> np.ndarray:
        # `slic` stretches its input to [0, 1] and then divides it by the compactness.
        extent = float(features_HWF.max() - features_HWF.min())
        labels_HW: np.ndarray = skimage.segmentation.slic(
            features_HWF,
            n_segments=self.num_segments,
            compactness=1 / extent if extent else 1.0,
            max_num_iter=self.max_iterations,
            convert2lab=False,
            start_label=0,
            channel_axis=-1,
        )
        return labels_HW


@dataclass(frozen=True, kw_only=True)
class Quickshift:
    """Trees of pixels that lead to modes of colour and place (Vedaldi and Soatto, 2008).

    The defaults are those of LIME's authors, whose ties are broken by the same fixed seed.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    kernel_size: float = 4
    """Width of the density's Gaussian in pixels; higher ones give fewer superpixels."""
    max_dist: float = 200
    """Longest link of a tree; higher ones give fewer superpixels."""
    ratio: float = 0.2
    """How much colour counts beside place."""

    def __post_init__(self) -> None:
        if not self.kernel_size >= 1:
            raise ValueError(f"kernel_size must be at least 1, got {self.kernel_size}")
        require_positive("max_dist", self.max_dist)
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"ratio must lie in [0, 1], got {self.ratio}")

    def __call__(self, signals: Signals) -> Tensor:
        return _stacked(each(self._segment, signals.lab_BHWC), signals)

    def _segment(self, lab_HWC: np.ndarray) -> np.ndarray:
        labels_HW: np.ndarray = skimage.segmentation.quickshift(
            lab_HWC,
            kernel_size=self.kernel_size,
            max_dist=self.max_dist,
            ratio=self.ratio,
            convert2lab=False,
        )
        return labels_HW


@dataclass(frozen=True, kw_only=True)
class Felzenszwalb:
    """Regions whose differences inside are small beside those across borders.

    Felzenszwalb and Huttenlocher, 2004, with their paper's settings and scikit-image's labels;
    channels are compared as they are, in [0, 1].
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    scale: float = 300
    """k; higher ones make larger regions. It counts as if values lay in 0..255."""
    sigma: float = 0.8
    """Of the Gaussian that smooths the image first, in pixels."""
    min_size: int = 20
    """Smaller regions join a neighbour, in pixels."""
    compiled: bool = field(default=True, repr=False, compare=False, metadata={SAME_RESULT: True})
    """As that of `SLIC`; here scikit-image itself takes twice as long."""

    def __post_init__(self) -> None:
        require_positive("scale", self.scale)
        if not 0 <= self.sigma < math.inf:
            raise ValueError(f"sigma must be at least 0 and finite, got {self.sigma}")
        require_at_least("min_size", self.min_size, 1)

    def __call__(self, signals: Signals) -> Tensor:
        image_BHWC = signals.batch.image_BCHW.permute(0, 2, 3, 1).cpu().double().numpy()
        return _stacked(each(self._segment, image_BHWC), signals)

    def _segment(self, image_HWC: np.ndarray) -> np.ndarray:
        (labels_HW,) = regions(
            image_HWC, [self.scale], self.sigma, self.min_size, compiled=self.compiled
        )
        return labels_HW


def _scaled_BHW(signals: Signals, source: Source) -> Tensor:
    def compute() -> Tensor:
        value_BHW = pixel_importance(signals, source).double()
        if not bool(torch.isfinite(value_BHW).all()):
            raise ValueError(f"superpixels cannot follow {source!r}: it is not finite")
        low_B11 = value_BHW.amin((1, 2), keepdim=True)
        extent_B11 = value_BHW.amax((1, 2), keepdim=True) - low_B11
        return 100 * (value_BHW - low_B11) / extent_B11.where(extent_B11 > 0, 1.0)

    return signals.once(("scaled_importance", source), compute)


def _stacked(labels: list[np.ndarray], signals: Signals) -> Tensor:
    return torch.from_numpy(np.stack(labels)).long().to(signals.batch.device)
