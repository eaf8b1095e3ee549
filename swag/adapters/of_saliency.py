"""The methods of Google's PAIR saliency, on images in [0, 1] and the target's score.

Guided IG asks for quantiles by a word that NumPy 2.4 no longer takes, so a copy of its code runs
here, which asks by the word that took its place; the library itself stays as it is.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swag.adapters.adapted import OneImage, names_of

METHODS = (
    "BlurIG", "GradCam", "GradientSaliency", "GuidedIG", "IntegratedGradients", "Occlusion", "XRAI",
)  # fmt: skip
TOLD = {"x_value", "call_model_function", "call_model_args", "x_baseline", "baselines", "segments",
        "base_attribution", "extra_parameters"}  # fmt: skip


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that a method takes, and `smooth` of gradients."""
    return (names_of(_class(method).GetMask) - TOLD) | {"smooth_samples"}


def explain(method: str, image: OneImage, _seed: int, parameters: dict[str, Any]) -> Tensor:
    """Return the mask of one image, channels first.

    With `smooth_samples`, the mean over so many noisy copies (SmoothGrad).
    """
    kind, samples = _class(method)(), parameters.pop("smooth_samples", None)
    run = kind.GetMask if samples is None else kind.GetSmoothedMask
    options = {} if samples is None else {"nsamples": samples}
    found = run(image.image_HWC, _model_of(image), {}, **options, **parameters)
    mask = torch.as_tensor(np.asarray(found, np.float32))
    return mask.permute(2, 0, 1) if mask.ndim == 3 else mask


def _model_of(image: OneImage) -> Any:
    """Return the function that the library asks for scores and gradients, as its keys say."""
    import saliency.core as peer  # noqa: PLC0415

    classifier = image.handed.signals.classifier

    def call(
        images: np.ndarray, call_model_args: Any = None, expected_keys: Any = None
    ) -> dict[str, np.ndarray]:
        del call_model_args  # there are none
        images_NHWC = np.asarray(images)
        images_NHWC = images_NHWC[None] if images_NHWC.ndim == 3 else images_NHWC
        pixels = torch.as_tensor(np.ascontiguousarray(images_NHWC), dtype=torch.float32)
        pixels = pixels.to(classifier.device).permute(0, 3, 1, 2).requires_grad_()
        outputs: list[Tensor] = []
        handle = image.layer.register_forward_hook(lambda _m, _i, out: outputs.append(out))
        try:
            logit_NK = image.model(classifier.normalise(pixels))
        finally:
            handle.remove()
        score_N = classifier.scores(logit_NK)[:, image.target]
        keys = [peer.INPUT_OUTPUT_GRADIENTS] if expected_keys is None else list(expected_keys)
        if keys == [peer.OUTPUT_LAYER_VALUES]:
            return {peer.OUTPUT_LAYER_VALUES: score_N.detach().cpu().numpy()}
        gradient, layer = torch.autograd.grad(score_N.sum(), [pixels, outputs[-1]])
        values = {
            peer.INPUT_OUTPUT_GRADIENTS: gradient,
            peer.CONVOLUTION_LAYER_VALUES: image.reshaped(outputs[-1].detach()),
            peer.CONVOLUTION_OUTPUT_GRADIENTS: image.reshaped(layer),
        }
        return {key: values[key].permute(0, 2, 3, 1).cpu().numpy() for key in keys}

    return call


class _NumPyOfThen:
    """NumPy, whose `quantile` still takes `interpolation`, which is `method` now."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def quantile(values: np.ndarray, share: float, *, interpolation: Any) -> np.ndarray:
        """Return the quantile that the library wants."""
        return np.asarray(np.quantile(values, share, method=interpolation))


def _class(method: str) -> Any:
    import saliency.core  # noqa: PLC0415 - not always installed

    kind = getattr(saliency.core, method)
    return _guided_ig(kind) if method == "GuidedIG" else kind


def _guided_ig(kind: Any) -> Any:
    """Return the class with its own code, in which NumPy is that of then."""
    from saliency.core import guided_ig  # noqa: PLC0415

    names = {**vars(guided_ig), "np": _NumPyOfThen()}

    def copied(function: Any) -> FunctionType:
        return FunctionType(function.__code__, names, argdefs=function.__defaults__)

    names["guided_ig_impl"] = copied(guided_ig.guided_ig_impl)
    return type(kind.__name__, (kind,), {"GetMask": copied(kind.GetMask)})
