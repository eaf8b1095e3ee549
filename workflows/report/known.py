"""What the known names of methods and data sets stand for; a report need not import either.

Tests hold it to the catalogue and to the data sets.
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, str]


def _on(features: str, **words: str) -> Words:
    """Return the words of a method on SLIC's superpixels."""
    return {
        "superpixels.features": features,
        "superpixels.gradient": "guided_gradient",
        **words,
    }


def _smooth(statistic: str) -> Words:
    return {"class": "SmoothGrad", "statistic": statistic, "channels": "max_abs"}


def _swag(features: str, weights: str = "guided_gradient") -> Words:
    return {"class": "SWAG", **_on(features, weights=weights, statistic="mean")}


_PATHS = {"rule": "middle", "score": "probability", "channels": "sum"}

METHODS: Mapping[str, Words] = {
    "random": {"class": "Random"},
    "centre": {"class": "Centre"},
    "noise": {"class": "Noise"},
    "sobel": {"class": "Sobel"},
    "grad_cam": {"class": "GradCAM"},
    "grad_cam_pp": {"class": "GradCAMPlusPlus"},
    "xgrad_cam": {"class": "XGradCAM"},
    "hires_cam": {"class": "HiResCAM"},
    "layer_cam": {"class": "LayerCAM"},
    "score_cam": {"class": "ScoreCAM", "score": "logit"},
    "lime": {"class": "LIME", "fill": "mean"},
    "lime_i": {"class": "LIME", **_on("image", fill="mean")},
    "lime_ig": {"class": "LIME", **_on("image_gradient", fill="mean")},
    "lime_g": {"class": "LIME", **_on("gradient", fill="mean")},
    "kernel_shap": {"class": "KernelSHAP", **_on("image", fill="mean")},
    "occlusion": {"class": "Occlusion", "score": "probability"},
    "rise": {"class": "RISE"},
    "hsic": {"class": "HSIC", "score": "logit", "bandwidth": "scores"},
    "xrai": {"class": "XRAI", "algorithm": "full"},
    "swag": _swag("image"),
    "swag_ig": _swag("image_gradient"),
    "swag_g": _swag("gradient"),
    "swag_vanilla": _swag("image", "gradient"),
    "swag_noise": _swag("image", "noise"),
    "swag_sobel": _swag("image", "sobel"),
    "pooled": {
        "class": "Pooled",
        **{f"pixels.{field}": word for field, word in _PATHS.items()},
        **_on("image", statistic="mean"),
    },
    "guided_backprop": {"class": "GuidedBackprop"},
    "guided_grad_cam": {"class": "GuidedGradCAM"},
    "vanilla_gradient": {"class": "VanillaGradient"},
    "input_x_gradient": {"class": "InputXGradient", "channels": "sum"},
    "smooth_grad": _smooth("mean"),
    "smooth_grad_squared": _smooth("square"),
    "var_grad": _smooth("variance"),
    "integrated_gradients": {"class": "IntegratedGradients", **_PATHS},
    "gradient_shap": {"class": "GradientSHAP", "score": "logit", "channels": "sum"},
}
"""By name: the class and the fields that are words, how superpixels are computed left out."""

DATA: Mapping[str, str] = {
    "imagenet": "ImageNet",
    "cub200": "CUB200",
    "stanford_dogs": "StanfordDogs",
    "flowers102": "Flowers102",
    "digit_scenes": "DigitScenes",
    "photographs": "PackagedPhotographs",
    "image_folder": "ImageFolder",
    "image_parquet": "ImageParquet",
}
"""The class of each."""
