"""The first contact: one call from a model and images to saliencies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swag.catalog import EXPLAINERS
from swag.classifier import Classifier, frozen
from swag.lookup import preset
from swag.protocols import Explainer
from swag.signals import Signals
from swag.types import Batch


def explain(
    model: nn.Module | Classifier,
    images: Tensor,
    *,
    method: str | Explainer = "swag_ig",
    target: int | Tensor | None = None,
    **classifier_options: Any,
) -> Tensor:
    """Return the saliency of every pixel for a model's decision.

    Args:
        model: a CNN that maps normalised images to logits; it is left as it was found.
        images: (B, 3, H, W), or (3, H, W) for one, RGB in [0, 1], not normalised.
        method: a name of `swag.catalog.EXPLAINERS`, or an explainer with fields of your own.
        target: the class to explain, one for all images or one each; None: the predicted one.
        classifier_options: `mean`, `std`, `cam_layer`, `batch_size` of `Classifier`, where `model`
            is not one already.

    Returns:
        float32 (B, H, W), or (H, W) for one image; higher is more important.

    Raises:
        ValueError: an unknown method, images outside [0, 1], a model the method cannot explain.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 10))
    >>> explain(model, torch.rand(2, 3, 64, 64), method="grad_cam").shape
    torch.Size([2, 64, 64])
    """
    if isinstance(model, nn.Module):
        with frozen(model):
            return explain(
                Classifier(model, **classifier_options), images, method=method, target=target
            )
    explainer = preset("explainer", method, EXPLAINERS) if isinstance(method, str) else method
    image_BCHW = images[None] if images.ndim == 3 else images
    image_BCHW = image_BCHW.to(model.device, torch.float32)
    target_B = None
    if target is not None:
        target_B = torch.as_tensor(target, device=model.device).expand(len(image_BCHW))
    names = tuple(str(index) for index in range(len(image_BCHW)))
    batch = Batch(image_BCHW=image_BCHW, image_ids=names, target_B=target_B)
    saliency_BHW = explainer(Signals(model, batch, explainer.needs))
    return saliency_BHW[0] if images.ndim == 3 else saliency_BHW
