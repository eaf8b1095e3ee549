"""How a model's images were prepared when it was trained, as timm and torchvision say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from swag.models.loading import official_weights, timm_model
from swag.models.spec import ModelSpec
from swag.models.tiny import TINY


@dataclass(frozen=True)
class Preparation:
    """Resize, then cut out the centre."""

    size: tuple[int, int]
    """Height and width of the network's input."""
    resized: int
    """Of the shorter side, or with `squash` of both."""
    interpolation: str
    """"bilinear", "bicubic", ..., always antialiased."""
    squash: bool = False

    def __str__(self) -> str:
        height, width = self.size
        both = "both sides" if self.squash else "shorter side"
        return f"{both} to {self.resized} by {self.interpolation}, {height}x{width} cut out"


def preparation(spec: ModelSpec) -> Preparation | None:
    """Return what the weights' own evaluation does; None where nobody says.

    Weights from a file or random ones are taken to be like the architecture's default ones.

    Raises:
        ValueError: the weights' way cannot be told in these terms, or as `load_classifier`.
    """
    if spec.architecture in TINY:
        return Preparation((112, 112), 128, "bilinear")
    if timm := timm_model(spec):
        return _of_timm(timm.data_config, spec)
    weights = official_weights(spec)
    return None if weights is None else _of_torchvision(weights, spec)


def _of_timm(config: dict[str, Any], spec: ModelSpec) -> Preparation:
    height, width = config["input_size"][-2:]
    mode, share = config["crop_mode"], config["crop_pct"]
    if mode not in {"center", "squash"} or height != width:
        raise ValueError(
            f"{spec.architecture} was trained on images that were {mode}-cropped to "
            f"{height}x{width}, which `resize` has no words for; prepare images beforehand"
        )
    side = math.floor(height / share)
    return Preparation((height, width), side, config["interpolation"], mode == "squash")


def _of_torchvision(weights: Any, spec: ModelSpec) -> Preparation:
    transform = weights.transforms()
    try:
        (crop,), (side,) = transform.crop_size, transform.resize_size
        interpolation = transform.interpolation.value
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"the transforms of torchvision's weights of {spec.architecture} are of another kind "
            f"than resize and centre crop: {transform}"
        ) from error
    return Preparation((crop, crop), side, interpolation)
