"""SWAG, the method of the paper, and what it asks of any pixel method: do superpixels help?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import Tensor

from swag.checks import require_one_of
from swag.explainers.paths import IntegratedGradients
from swag.importance import Source, gradient_need, passes_of_source, pixel_importance
from swag.protocols import Explainer, Passes, Segmenter, passes_of, passes_once, summed
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
        return summed(self.passes_once.values()).forwards

    num_backwards = num_forwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        return {**passes_of_source(self.weights), **passes_once(self.superpixels)}

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
        return summed(self.passes_once.values()).forwards

    @property
    def num_backwards(self) -> int:
        return summed(self.passes_once.values()).backwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        shared = passes_once(self.pixels)
        whole, known = passes_of(self.pixels), summed(shared.values())
        rest = Passes(whole.forwards - known.forwards, whole.backwards - known.backwards)
        return {**shared, self._key: rest, **passes_once(self.superpixels)}

    @property
    def _key(self) -> Hashable:
        return "saliency", self.pixels

    def __call__(self, signals: Signals) -> Tensor:
        value_BHW = signals.once(self._key, lambda: self.pixels(signals))
        return pool(value_BHW, signals.segments(self.superpixels), self.statistic)
