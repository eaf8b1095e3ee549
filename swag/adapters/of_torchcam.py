"""torch-cam's methods (Fernandez, 2020), on the layer that our Grad-CAM takes.

LeGrad takes torchvision's vision transformers, and all their blocks.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from swag.adapters.adapted import OneImage, names_of

METHODS = (
    "CAM", "GradCAM", "GradCAMpp", "ISCAM", "LayerCAM", "LeGrad", "SSCAM", "ScoreCAM",
    "SmoothGradCAMpp", "XGradCAM",
)  # fmt: skip
TOLD = {"model", "target_layer", "fc_layer", "input_shape", "score_projection", "enable_hooks"}


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that a method takes."""
    return names_of(_class(method).__init__) - TOLD


def explain(method: str, image: OneImage, _seed: int, parameters: dict[str, Any]) -> Tensor:
    """Return the map of one image, brought to 0 to 1 by the library."""
    x_1CHW = image.x_1CHW
    model: nn.Module = image.model
    layers: Any = image.layer
    options: dict[str, Any] = {"input_shape": tuple(x_1CHW.shape[1:])}
    if method == "LeGrad":
        model, layers, options = image.model.model, _blocks(image.model.model), {}
    extractor = _class(method)(model, layers, **options, **parameters)
    try:
        (found,) = extractor(image.target, model(x_1CHW))
    finally:
        extractor.remove_hooks()
    return torch.nan_to_num(found)  # a map of zeros is divided by its range


def _blocks(model: nn.Module) -> list[nn.Module]:
    if not isinstance(model, torchvision.models.VisionTransformer):
        raise ValueError("torchcam:LeGrad takes torchvision's vision transformers only")
    return list(model.encoder.layers)


def _class(method: str) -> Any:
    import torchcam.methods  # noqa: PLC0415 - not always installed

    return getattr(torchcam.methods, method)
