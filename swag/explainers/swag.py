"""SWAG, the method of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from swag.importance import Source, gradient_need, passes_of_source, pixel_importance
from swag.protocols import Segmenter
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
        sources: set[Source] = {self.weights}
        if isinstance(self.superpixels, SLIC) and self.superpixels.features != "image":
            sources.add(self.superpixels.gradient)
        return sum(map(passes_of_source, sources))

    num_backwards = num_forwards

    def __call__(self, signals: Signals) -> Tensor:
        importance_BHW = pixel_importance(signals, self.weights)
        return pool(importance_BHW, signals.segments(self.superpixels), self.statistic)
