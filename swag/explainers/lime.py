"""LIME: a linear model of how the target depends on which superpixels are shown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from swag.checks import require_at_least, require_one_of
from swag.packing import CopiesOfImage, target_probability
from swag.protocols import Passes, Segmenter, passes_once, summed
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels.pooling import pool
from swag.superpixels.segmenters import Quickshift
from swag.types import Fill, Kind


class SampledSuperpixels:
    """What methods need and take that show an image with some of its superpixels hidden."""

    superpixels: Segmenter
    num_samples: int

    @property
    def needs(self) -> frozenset[str]:
        return self.superpixels.needs

    @property
    def num_forwards(self) -> int:
        """Model passes per image at most; the sample that shows all costs none."""
        return self.num_samples - 1 + summed(self.passes_once.values()).forwards

    @property
    def num_backwards(self) -> int:
        return summed(self.passes_once.values()).backwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        """Those of the pixel importance that superpixels follow, if any."""
        return passes_once(self.superpixels)


@dataclass(frozen=True, kw_only=True)
class LIME(SampledSuperpixels):
    """Coefficients of a ridge regression on shown superpixels (Ribeiro et al., 2016).

    Gives what the authors' `lime` gives with its defaults for a float image in [0, 1]: each
    superpixel is shown with chance 1/2, the first sample shows all, samples weigh by their cosine
    distance to it, and hidden superpixels take their mean colour (`lime` rounds it down only in
    images of integers). Probabilities are modelled, of the target only.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"

    superpixels: Segmenter = Quickshift()
    num_samples: int = 1000
    kernel_width: float = 0.25
    alpha: float = 1.0
    """Weight of the coefficients' squared norm."""
    fill: Fill = "mean"
    """Colour of hidden superpixels: their own mean, or 0 before normalisation."""

    def __post_init__(self) -> None:
        require_at_least("num_samples", self.num_samples, 1)
        if self.kernel_width <= 0:
            raise ValueError(f"kernel_width must be positive, got {self.kernel_width}")
        if self.alpha <= 0:
            raise ValueError(f"alpha must be positive, got {self.alpha}")
        require_one_of("fill", self.fill, get_args(Fill))

    def __call__(self, signals: Signals) -> Tensor:
        labels_BHW = signals.segments(self.superpixels)
        shown = self._samples(signals, labels_BHW)
        fill_BCHW = hidden_images(signals, labels_BHW, self.fill)
        values = shown_probability(signals, labels_BHW, fill_BCHW, shown)
        coefficients = []
        for shown_TS, value_T in zip(shown, values, strict=True):
            weight_T = kernel(shown_TS, self.kernel_width)
            coefficients.append(ridge(shown_TS, value_T, weight_T, self.alpha))
        return painted(coefficients, labels_BHW)

    def _samples(self, signals: Signals, labels_BHW: Tensor) -> list[np.ndarray]:
        """Return shown_TS (bool) of each image."""
        samples = []
        for image_id, last in zip(
            signals.batch.image_ids, labels_BHW.amax((1, 2)).tolist(), strict=True
        ):
            draws = generator(signals.batch.seed, image_id, "lime")
            shown_TS = draws.integers(0, 2, (self.num_samples, last + 1)).astype(bool)
            shown_TS[0] = True
            samples.append(shown_TS)
        return samples


def hidden_images(signals: Signals, labels_BHW: Tensor, fill: Fill) -> Tensor:
    """Return fill_BCHW, the normalised images with all superpixels hidden.

    Args:
        fill: colour of hidden superpixels: their own mean, or 0 before normalisation.
    """
    image_BCHW = signals.batch.image_BCHW
    if fill == "black":
        fill_BCHW = torch.zeros_like(image_BCHW)
    else:
        channels = [pool(image_BHW, labels_BHW, "mean") for image_BHW in image_BCHW.unbind(1)]
        fill_BCHW = torch.stack(channels, 1)
    return signals.classifier.normalise(fill_BCHW)


def painted(values: Sequence[np.ndarray], labels_BHW: Tensor) -> Tensor:
    """Return saliency_BHW, float32, that gives each superpixel of an image its value_S."""
    device = labels_BHW.device
    maps = [
        torch.from_numpy(value_S).float().to(device)[labels_HW]
        for value_S, labels_HW in zip(values, labels_BHW, strict=True)
    ]
    return torch.stack(maps)


def shown_probability(
    signals: Signals, labels_BHW: Tensor, fill_BCHW: Tensor, shown: list[np.ndarray]
) -> list[np.ndarray]:
    """Return per image the target's probability_T with the superpixels shown_TS, float64.

    Equal samples share a pass; the sample that shows all is the classification's own.
    """
    normalised_BCHW = signals.normalised_BCHW
    device = labels_BHW.device
    unique, places = zip(*map(_unique, shown), strict=True)
    to_show = [torch.from_numpy(unique_US).float().to(device) for unique_US in unique]

    def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
        show_TS = to_show[part.image][part.first : part.last]
        show_TP = show_TS.gather(1, labels_BHW[part.image].flatten().expand(len(show_TS), -1))
        show_T1HW = show_TP.view(-1, 1, *labels_BHW.shape[1:])
        # Exact, since a weight is 0 or 1, and three times as fast as `where` on a CPU.
        torch.lerp(fill_BCHW[part.image], normalised_BCHW[part.image], show_T1HW, out=copies_TCHW)

    # The sample that shows all sorts last.
    counts = [len(unique_US) - 1 for unique_US in unique]
    perturbed = target_probability(signals, counts, perturb)
    unmodified_B1 = signals.probability_BK.gather(1, signals.target_B[:, None])
    return [
        torch.cat([value_U, value_1]).double().cpu().numpy()[place_T]
        for value_U, value_1, place_T in zip(perturbed, unmodified_B1, places, strict=True)
    ]


def _unique(shown_TS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows in ascending order, and which of them each row is."""
    _, first_U, place_T = np.unique(
        np.packbits(shown_TS, axis=1), axis=0, return_index=True, return_inverse=True
    )
    return shown_TS[first_U], place_T.reshape(-1)


def kernel(shown_TS: np.ndarray, width: float) -> np.ndarray:
    """Return weight_T from the cosine distance to the sample that shows all."""
    distance_T = 1 - np.sqrt(shown_TS.mean(1))
    weight_T: np.ndarray = np.sqrt(np.exp(-(distance_T**2) / width**2))
    return weight_T


def ridge(
    shown_TS: np.ndarray, value_T: np.ndarray, weight_T: np.ndarray, alpha: float
) -> np.ndarray:
    """Return coefficient_S of the weighted ridge regression with a free intercept, float64."""
    x_TS = shown_TS - np.average(shown_TS, axis=0, weights=weight_T)
    y_T = value_T - np.average(value_T, weights=weight_T)
    weighted_ST = x_TS.T * weight_T
    penalty_SS = alpha * np.eye(x_TS.shape[1])
    coefficient_S: np.ndarray = np.linalg.solve(weighted_ST @ x_TS + penalty_SS, weighted_ST @ y_T)
    return coefficient_S
