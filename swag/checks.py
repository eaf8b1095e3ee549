"""Checks of settings and saliencies; each message says what was wanted and what was got."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from swag.signals import Signals


def require_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError where a word is none of those known."""
    if value not in known:
        raise ValueError(f"{name} {value!r} is unknown; choose one of {', '.join(known)}")


def require_positive(name: str, value: float) -> None:
    """Raise ValueError where a number is not positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")


def require_at_least(name: str, value: int, least: int) -> None:
    """Raise ValueError where a number is too low."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def require_fit(signals: Signals, saliency_BHW: Tensor) -> None:
    """Raise ValueError where a saliency is not one value for each pixel of the images."""
    num_images, _, height, width = signals.batch.image_BCHW.shape
    if saliency_BHW.shape != (num_images, height, width):
        raise ValueError(
            f"a saliency of shape {tuple(saliency_BHW.shape)} does not fit images of shape "
            f"{tuple(signals.batch.image_BCHW.shape)}"
        )


def require_finite(saliency_BHW: Tensor) -> None:
    """Raise ValueError where a saliency has values that cannot be ordered."""
    if not bool(torch.isfinite(saliency_BHW).all()):
        raise ValueError("the saliency has values that are not finite, so its pixels have no order")
