"""Pixel methods: one importance per pixel, from one backward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from swag.importance import pixel_importance
from swag.signals import Signals
from swag.types import Kind


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop:
    """Largest magnitude over channels of the guided gradient (Springenberg et al., 2015)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"guided_gradient"})

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "guided_gradient")


@dataclass(frozen=True, kw_only=True)
class VanillaGradient:
    """Largest magnitude over channels of the gradient (Simonyan et al., 2014)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "gradient")
