"""How a model's images were prepared when it was trained, as its package says it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from swag.models.hf_models import RESAMPLING, HuggingFaceModel
from swag.models.loading import official_weights, packaged_model
from swag.models.pypi_models import PyPIModel
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
    found = packaged_model(spec)
    if isinstance(found, HuggingFaceModel):
        return _of_hub(found)
    if isinstance(found, PyPIModel):
        return preparation(replace(spec, architecture=found.architecture, weights="default"))
    if found is not None:
        return _of_timm(found.data_config, spec)
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


def _of_hub(model: HuggingFaceModel) -> Preparation | None:
    """Return what preprocessor_config.json says, by the rules of its image processors.

    A size of `height` and `width` is of both sides, one of `shortest_edge` of the shorter. A plain
    number is both for ViT's processor and the shorter for others. ConvNeXt's resizes to size /
    crop_pct and cuts, and from 384 pixels on resizes both sides without a cut.
    """
    said = model.preprocessor
    size = said.get("size")
    if size is None or not said.get("do_resize", True):
        return None
    if not isinstance(size, dict):
        whole = "ViT" in str(said.get("image_processor_type", said.get("feature_extractor_type")))
        size = {"height": size, "width": size} if whole else {"shortest_edge": size}
    squash = "height" in size
    edge = int(size["height"] if squash else size["shortest_edge"])
    interpolation = RESAMPLING[int(said.get("resample", 2))]
    if model.config.model_type in {"convnext", "convnextv2"}:
        if edge >= 384:
            return Preparation((edge, edge), edge, interpolation, squash=True)
        resized = int(edge / (said.get("crop_pct") or 224 / 256))
        return Preparation((edge, edge), resized, interpolation)
    crop = said.get("crop_size", edge) if said.get("do_center_crop") else edge
    side = int(crop["height"] if isinstance(crop, dict) else crop)
    return Preparation((side, side), edge, interpolation, squash)


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
