"""Zennit's layer-wise relevance propagation (Anders et al., 2021), by composites of rules.

Batch normalisations are merged into the layers before them, as its authors do: by the canonizer of
torchvision's ResNets or VGGs for those, else wherever one follows another.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from torch import Tensor

from swag.adapters.adapted import OneImage, names_of

METHODS = (
    "DeconvNet", "EpsilonAlpha2Beta1", "EpsilonAlpha2Beta1Flat", "EpsilonGammaBox",
    "EpsilonPlus", "EpsilonPlusFlat", "ExcitationBackprop", "GuidedBackprop",
)  # fmt: skip
TOLD = {"layer_map", "first_map", "canonizers", "zero_params"}


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that a composite takes."""
    return names_of(_class(method).__init__) - TOLD


def explain(method: str, image: OneImage, _seed: int, parameters: dict[str, Any]) -> Tensor:
    """Return the relevance of one image's normalised input."""
    from zennit.attribution import Gradient  # noqa: PLC0415 - not always installed

    if method == "EpsilonGammaBox":
        classifier = image.handed.signals.classifier
        ends = (torch.full_like(image.x_1CHW.detach(), value) for value in (0.0, 1.0))
        low, high = (classifier.normalise(end) for end in ends)
        parameters = {"low": low, "high": high, **parameters}
    composite = _class(method)(canonizers=_canonizers(image), **parameters)
    x_1CHW = image.x_1CHW
    with Gradient(model=image.model, composite=composite) as attributor:
        num_classes = image.handed.signals.logit_BK.shape[1]
        wanted_1K = torch.eye(num_classes, device=x_1CHW.device)[[image.target]]
        relevance_1CHW: Tensor = attributor(x_1CHW, wanted_1K)[1]
    return relevance_1CHW


def _canonizers(image: OneImage) -> list[Any]:
    from zennit import canonizers  # noqa: PLC0415
    from zennit import torchvision as known  # noqa: PLC0415

    model = image.model.model
    if isinstance(model, torchvision.models.ResNet):
        return [known.ResNetCanonizer()]
    if isinstance(model, torchvision.models.VGG):
        return [known.VGGCanonizer()]
    return [canonizers.SequentialMergeBatchNorm()]


def _class(method: str) -> Any:
    import zennit.composites  # noqa: PLC0415 - not always installed

    return getattr(zennit.composites, method)
