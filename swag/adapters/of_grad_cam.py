"""pytorch-grad-cam's methods (Gildenblat et al., 2021), on the layer that our Grad-CAM takes.

Tokens of transformers become maps by the same rule as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from swag.adapters.adapted import OneImage, names_of, split

METHODS = (
    "AblationCAM", "EigenCAM", "EigenGradCAM", "FEM", "FinerCAM", "FullGrad", "GradCAM",
    "GradCAMElementWise", "GradCAMPlusPlus", "HiResCAM", "KPCA_CAM", "LayerCAM", "RandomCAM",
    "ScoreCAM", "SegEigenCAM", "ShapleyCAM", "XGradCAM",
)  # fmt: skip
TOLD = {"model", "target_layers", "input_tensor", "targets", "reshape_transform", "base_method"}
PASS = 32
BY_WEIGHTS = {"FullGrad", "ShapleyCAM"}
"""They ask for more gradients than that of the layer's output."""


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that a method takes."""
    kind = _class(method)
    return names_of(kind.__init__, kind.__call__) - TOLD


def explain(method: str, image: OneImage, _seed: int, parameters: dict[str, Any]) -> np.ndarray:
    """Return the map of one image, brought to 0 to 1 by the library."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415

    kind = _class(method)
    made, called = split(parameters, kind.__init__)
    reshape = None if method == "FullGrad" else image.reshaped
    image.model.requires_grad_(method in BY_WEIGHTS)
    with kind(image.model, [image.layer], reshape_transform=reshape, **made) as cam:
        cam.batch_size = PASS
        targets = None if method == "FinerCAM" else [ClassifierOutputTarget(image.target)]
        if method == "FinerCAM":
            called = {"target_idx": image.target, **called}
        found: np.ndarray = cam(image.x_1CHW, targets, **called)
    return found


def _class(method: str) -> Any:
    import pytorch_grad_cam  # noqa: PLC0415 - a second, and not always installed

    return getattr(pytorch_grad_cam, method)
