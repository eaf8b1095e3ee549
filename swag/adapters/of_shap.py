"""shap's explainers of images (Lundberg and Lee, 2017), beside the mean colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swag.adapters.adapted import OneImage, names_of

METHODS = ("DeepExplainer", "GradientExplainer", "PartitionExplainer")
TAKEN = {
    "DeepExplainer": {"check_additivity"},
    "GradientExplainer": {"nsamples", "local_smoothing", "batch_size"},
    "PartitionExplainer": {"max_evals", "batch_size"},
}


class _OneOutput(nn.Module):
    """The target's logit alone: shap explains every output that there is."""

    def __init__(self, model: nn.Module, target: int) -> None:
        super().__init__()
        self.model, self.target = model, target

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logit_BK: Tensor = self.model(x_BCHW)
        return logit_BK[:, self.target : self.target + 1]


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that an explainer takes."""
    return TAKEN[method]


def explain(method: str, image: OneImage, seed: int, parameters: dict[str, Any]) -> Tensor:
    """Return the Shapley values of one image's pixels, channels first."""
    import shap  # noqa: PLC0415 - seconds, and not always installed

    model = _OneOutput(image.model, image.target).eval()
    x_1CHW = image.x_1CHW.detach()
    if method == "PartitionExplainer":
        return _partition(shap, image, seed, parameters)
    kind = getattr(shap, method)
    own = {key: parameters.pop(key) for key in names_of(kind.__init__) & parameters.keys()}
    explainer = kind(model, torch.zeros_like(x_1CHW), **own)
    if method == "GradientExplainer":
        parameters = {"rseed": seed, "nsamples": 50, **parameters}
    else:
        parameters = {"check_additivity": False, **parameters}
    values = np.asarray(explainer.shap_values(x_1CHW, **parameters))
    return torch.as_tensor(values.reshape(x_1CHW.shape)[0])


def _partition(shap: Any, image: OneImage, seed: int, parameters: dict[str, Any]) -> Tensor:
    picture = image.image_HWC.astype(np.float32)
    mean = image.handed.signals.classifier.mean_1C11.flatten().cpu().numpy()
    masker = shap.maskers.Image(np.broadcast_to(mean, picture.shape).copy(), picture.shape)

    def score(image_NHWC: np.ndarray) -> np.ndarray:
        return image.probabilities(image_NHWC)[:, [image.target]]

    explainer = shap.PartitionExplainer(score, masker, seed=seed)
    options = {"max_evals": 500, "batch_size": 32, **parameters}
    found = np.asarray(explainer(picture[None], silent=True, **options).values)
    return torch.as_tensor(found.reshape(picture.shape)).permute(2, 0, 1)
