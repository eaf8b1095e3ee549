"""What explainers, metrics and segmenters are: protocols that any class may fulfil."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor

from swag.signals import Signals
from swag.types import Kind, Score


@runtime_checkable
class Explainer(Protocol):
    """A frozen dataclass: fields are configuration, `version` grows when numbers change."""

    version: ClassVar[int]
    kind: ClassVar[Kind]

    @property
    def needs(self) -> frozenset[str]:
        """Gradient signals it reads, so that one pass can compute those of all explainers."""

    def __call__(self, signals: Signals) -> Tensor:
        """Return saliency_BHW: float32, finite, on the batch's device."""


@runtime_checkable
class Metric(Protocol):
    """A frozen dataclass like an explainer."""

    version: ClassVar[int]
    higher_is_better: ClassVar[bool]

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        """Score each image's saliency."""


@runtime_checkable
class Segmenter(Protocol):
    """A frozen dataclass that divides the images of a batch into superpixels."""

    @property
    def needs(self) -> frozenset[str]:
        """Gradient signals it reads."""

    def __hash__(self) -> int:
        """Labels are remembered by it."""

    def __call__(self, signals: Signals) -> Tensor:
        """Return labels_BHW: int64, from 0 without gaps in each image, on the batch's device."""
