"""What every metric asks of a saliency."""

from __future__ import annotations

import torch
from torch import Tensor

from swag.signals import Signals


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
