"""Captum's methods (Kokhlikyan et al., 2020). Baselines are the mean colour, unless given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from swag.adapters.adapted import OneImage, names_of, split

METHODS = (
    "Deconvolution", "DeepLift", "DeepLiftShap", "FeatureAblation", "GradientShap",
    "GuidedBackprop", "GuidedGradCam", "InputXGradient", "IntegratedGradients", "InternalInfluence",
    "KernelShap", "LRP", "LayerConductance", "LayerDeepLift", "LayerGradCam", "LayerGradientShap",
    "LayerGradientXActivation", "LayerIntegratedGradients", "Lime", "NoiseTunnel", "Occlusion",
    "Saliency", "ShapleyValueSampling",
)  # fmt: skip
OF_LAYERS = {name for name in METHODS if name.startswith("Layer")} | {"InternalInfluence"}
TOLD = {"self", "inputs", "target", "model", "forward_func", "layer", "additional_forward_args"}
"""Parameters that are not a user's to give."""
PASS = 32

Defaults = Callable[[OneImage], dict[str, Any]]


def _superpixels(image: OneImage) -> dict[str, Any]:
    return {"feature_mask": image.labels_HW[None, None], "perturbations_per_eval": PASS}


def _windows(image: OneImage) -> dict[str, Any]:
    channels = image.x_1CHW.shape[1]
    shapes = {"sliding_window_shapes": (channels, 16, 16), "strides": (channels, 8, 8)}
    return {**shapes, "perturbations_per_eval": PASS}


def _baselines(count: int) -> Defaults:
    return lambda image: {"baselines": torch.zeros_like(image.x_1CHW).repeat(count, 1, 1, 1)}


def _noise(image: OneImage) -> dict[str, Any]:
    low, high = image.x_1CHW.detach().aminmax()
    return {"nt_samples": 25, "nt_samples_batch_size": 5, "stdevs": 0.15 * float(high - low)}


DEFAULTS: dict[str, Defaults] = {
    "DeepLiftShap": _baselines(2),
    "FeatureAblation": _superpixels,
    "GradientShap": lambda image: {**_baselines(1)(image), "n_samples": 20},
    "IntegratedGradients": lambda _: {"internal_batch_size": PASS},
    "InternalInfluence": lambda _: {"internal_batch_size": PASS},
    "KernelShap": lambda image: {**_superpixels(image), "n_samples": 500},
    "LayerConductance": lambda _: {"internal_batch_size": PASS},
    "LayerGradientShap": lambda image: {**_baselines(1)(image), "n_samples": 20},
    "LayerIntegratedGradients": lambda _: {"internal_batch_size": PASS},
    "Lime": lambda image: {**_superpixels(image), "n_samples": 500},
    "NoiseTunnel": _noise,
    "Occlusion": _windows,
    "ShapleyValueSampling": _superpixels,
}


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that a method takes."""
    kind = _class(method)
    return names_of(kind.__init__, kind.attribute) - TOLD - {"attribution_method"}


def explain(method: str, image: OneImage, _seed: int, parameters: dict[str, Any]) -> Tensor:
    """Return the attribution of one image."""
    kind = _class(method)
    made, called = split(parameters, kind.__init__)
    if method in DEFAULTS:
        called = {**DEFAULTS[method](image), **called}
    if method == "NoiseTunnel":
        saliency: Any = _class("Saliency")
        explainer = kind(saliency(image.model))
    elif method in OF_LAYERS or method == "GuidedGradCam":
        explainer = kind(image.model, image.layer, **made)
    else:
        explainer = kind(image.model, **made)
    found = explainer.attribute(image.x_1CHW, target=image.target, **called)
    found = found[0] if isinstance(found, tuple) else found
    return image.reshaped(found) if method in OF_LAYERS else found


def _class(method: str) -> Any:
    import captum.attr  # noqa: PLC0415 - a second, and not always installed

    return getattr(captum.attr, method)
