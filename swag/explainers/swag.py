"""SWAG, the method of the paper, and what it asks of any pixel method: do superpixels help?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import Tensor

from swag.checks import require_one_of
from swag.explainers.paths import IntegratedGradients
from swag.importance import Source, gradient_need, passes_of_source, pixel_importance
from swag.protocols import Explainer, Segmenter, passes_of
from swag.signals import Signals
from swag.superpixels.pooling import Statistic, pool
from swag.superpixels.segmenters import SLIC
from swag.types import Kind


@dataclass(frozen=True, kw_only=True)
class SWAG:
    """Superpixels weighted by their mean gradient (Hartley et al., eq. 1).

    Other `weights` are the paper's sanity check (Table 2), other `statistic`s its supplement's.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"

    superpixels: Segmenter = SLIC(num_segments=300)
    weights: Source = "guided_gradient"
    statistic: Statistic = "mean"

    @property
    def needs(self) -> frozenset[str]:
        return self.superpixels.needs | gradient_need(self.weights)

    @property
    def num_forwards(self) -> int:
        return sum(map(passes_of_source, {self.weights} | _followed(self.superpixels)))

    num_backwards = num_forwards

    def __call__(self, signals: Signals) -> Tensor:
        importance_BHW = pixel_importance(signals, self.weights)
        return pool(importance_BHW, signals.segments(self.superpixels), self.statistic)


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """A pixel method's values, pooled over superpixels (as Hartley et al., eq. 1, pools gradients).

    The map of the pixel method is computed once for all that pool it.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"

    pixels: Explainer = IntegratedGradients()
    superpixels: Segmenter = SLIC(num_segments=300)
    statistic: Statistic = "mean"

    def __post_init__(self) -> None:
        require_one_of("statistic", self.statistic, get_args(Statistic))

    @property
    def needs(self) -> frozenset[str]:
        return self.superpixels.needs | self.pixels.needs

    @property
    def num_forwards(self) -> int:
        """Model passes per image, those of the pixel method among them."""
        followed = sum(map(passes_of_source, _followed(self.superpixels)))
        return passes_of(self.pixels).forwards + followed

    @property
    def num_backwards(self) -> int:
        followed = sum(map(passes_of_source, _followed(self.superpixels)))
        return passes_of(self.pixels).backwards + followed

    def __call__(self, signals: Signals) -> Tensor:
        value_BHW = signals.once(("saliency", self.pixels), lambda: self.pixels(signals))
        return pool(value_BHW, signals.segments(self.superpixels), self.statistic)


def _followed(segmenter: Segmenter) -> set[Source]:
    """Return the pixel importance that superpixels follow, if any."""
    if isinstance(segmenter, SLIC) and segmenter.features != "image":
        return {segmenter.gradient}
    return set()
