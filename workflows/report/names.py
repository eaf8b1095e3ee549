"""The words of a report: how methods, data sets and models are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..store.described import FOR_READERS, Described
from . import known

METHODS = {
    "random": "Random",
    "centre": "Centre",
    "noise": "Noise",
    "sobel": "Sobel",
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "xgrad_cam": "XGrad-CAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "Layer-CAM",
    "score_cam": "Score-CAM",
    "lime": "LIME",
    "lime_i": "LIME I",
    "lime_ig": "LIME I+G",
    "lime_g": "LIME G",
    "kernel_shap": "Kernel SHAP",
    "occlusion": "Occlusion",
    "rise": "RISE",
    "hsic": "HSIC",
    "xrai": "XRAI",
    "swag": "SWAG",
    "swag_ig": "SWAG I+G",
    "swag_g": "SWAG G",
    "swag_vanilla": "SWAG, vanilla gradient",
    "swag_noise": "SWAG, random noise",
    "swag_sobel": "SWAG, Sobel edges",
    "pooled": "Superpixels of a pixel method",
    "guided_backprop": "Guided backprop",
    "guided_grad_cam": "Guided Grad-CAM",
    "vanilla_gradient": "Vanilla gradient",
    "input_x_gradient": "Input x gradient",
    "smooth_grad": "SmoothGrad",
    "smooth_grad_squared": "SmoothGrad squared",
    "var_grad": "VarGrad",
    "integrated_gradients": "Integrated gradients",
    "gradient_shap": "Gradient SHAP",
}
DATA = {
    "imagenet": "ImageNet",
    "cub200": "CUB-200-2011",
    "stanford_dogs": "Stanford Dogs",
    "flowers102": "Flowers 102",
    "digit_scenes": "Digit scenes",
    "photographs": "Photographs",
    "image_folder": "Image folder",
}
MODELS = {
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "tiny_vgg": "Tiny VGG",
    "tiny_resnet": "Tiny ResNet",
    "small_vgg": "Small VGG",
    "small_resnet": "Small ResNet",
    "squeezenet1_1": "SqueezeNet 1.1",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
KINDS = {
    "control": "Controls, which know nothing of the model",
    "region": "Region methods",
    "pixel": "Pixel methods",
}
THRESHOLDS = {"value": "Value", "mean": "Mean", "energy": "Energy"}
ROAR_VARIANTS = ("divided_by_range", "plain")
VARIANTS = {
    **THRESHOLDS,
    "divided_by_range": "Divided by range",
    "plain": "Plain",
    "single": "One image at a time",
    "batched": "In batches",
}
Column = tuple[str, str, str]
"""Data set, model and variant of the metric (such as a kind of threshold; "" where it has none)."""


class Labels:
    """How what ran is called: by a known name where it is what that name says, else by its own."""

    def __init__(self, described: Described) -> None:
        self._described = described

    def method(self, name: str) -> str:
        return METHODS[name] if self._is_preset(name) else plain(name)

    def dataset(self, name: str) -> str:
        found = self._described.datasets.get(name, {}).get("class")
        return DATA[name] if name in DATA and found in {None, known.DATA[name]} else name

    def model(self, name: str, dataset: str) -> str:
        own = self._described.on.get(name, {}).get(dataset)
        fields = own or self._described.models.get(name, {})
        architecture = str(fields.get("architecture", name)).removeprefix("pypi/")
        if architecture == name:
            return MODELS.get(name, name)
        return f"{name} ({MODELS.get(architecture, architecture)})"

    def column(self, column: Column) -> list[str]:
        """Return how a column's data set, model and variant are called."""
        dataset, model, kind = column
        parts = [self.dataset(dataset), self.model(model, dataset)]
        return [*parts, variant(kind)] if kind else parts

    def subject(self, dataset: str, model: str) -> str:
        """Return "data set, model"."""
        return ", ".join(self.column((dataset, model, "")))

    def is_as_printed(self, method: str, column: Column) -> bool:
        """Tell whether a cell is of what the paper means by the names."""
        dataset, model, _ = column
        meant = METHODS.get(method), DATA.get(dataset), MODELS.get(model)
        return meant == (self.method(method), self.dataset(dataset), self.model(model, dataset))

    def _is_preset(self, name: str) -> bool:
        """Tell whether a method is the known one of its name, but for numbers that were set."""
        fields = self._described.explainers.get(name)
        if name not in METHODS:
            return False
        if fields is None:
            return True
        own, words = flat(fields), known.METHODS[name]
        return "module" not in own and all(own.get(key) == word for key, word in words.items())


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return nested fields under names with a dot for every level."""
    found: dict[str, object] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            found |= flat(item, f"{prefix}{key}.")
        elif prefix or key not in FOR_READERS:
            found[f"{prefix}{key}"] = item
    return found


def setting(field: str) -> str:
    """Return the name of a field as words, without the levels above it."""
    words = field.rpartition(".")[2]
    return plain(f"number of {words[4:]}" if words.startswith("num_") else words)


def value(found: object) -> str:
    """Return the value of a field."""
    return f"{found:g}" if isinstance(found, float) else str(found)


def variant(name: str) -> str:
    """Return how a variant of a metric is called."""
    return VARIANTS.get(name, plain(name))


def plain(name: str) -> str:
    """Return a name of the store as words."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def count(number: int, noun: str) -> str:
    """Return "1 image", "2 images", "1,000 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
