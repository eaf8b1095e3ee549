"""Image classifiers of Hugging Face's transformers, where it is installed.

Their outputs have `logits`, which `swag.outputs.tensor_of` finds. No code that comes with a
repository is run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from swag.lookup import nearest
from swag.models.weights_files import DAMAGE, State

PREFIX = "hf/"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers, which preprocessor_config.json has."""


def is_installed() -> bool:
    """Return whether transformers is there; it is not imported."""
    return find_spec("transformers") is not None


@dataclass(frozen=True)
class HuggingFaceModel:
    """A model of transformers with what its repository says of images.

    Raises:
        ValueError: transformers is not installed, or there is no such repository, folder or type.
    """

    name: str
    """A repository of the hub such as "google/vit-base-patch16-224" ("@REVISION" after it), a
    folder with its files, or a type of model such as "vit", which has no weights."""

    def __post_init__(self) -> None:
        _ = self.config

    @property
    def config(self) -> Any:
        """The architecture's numbers, as transformers reads them from config.json."""
        return _config(self.name)

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel."""
        said = self.preprocessor
        if not said.get("do_normalize", True):
            return (0.0,) * 3, (1.0,) * 3
        mean, std = said.get("image_mean", IMAGENET[0]), said.get("image_std", IMAGENET[1])
        return tuple(mean), tuple(std)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the only images that the model takes; None: it takes others too."""
        size = getattr(self.config, "image_size", None)
        if size is None or self.config.model_type in _OF_ANY_SIZE:
            return None
        height, width = (size, size) if isinstance(size, int) else size
        return int(height), int(width)

    @property
    def preprocessor(self) -> dict[str, Any]:
        """What preprocessor_config.json says; empty where there is none."""
        path = None if self.is_type else _file(self.name, "preprocessor_config.json")
        found = {} if path is None else json.loads(Path(path).read_text("utf-8"))
        return cast(dict[str, Any], found)

    @property
    def is_type(self) -> bool:
        return self.name in _types()

    def build(self, num_classes: int | None = None) -> nn.Module:
        """Return the model with random weights."""
        config = _config.__wrapped__(self.name)  # one of its own, which is changed
        config.architectures = config.architectures or []  # some types of several heads trip else
        if num_classes is not None:
            config.num_labels = num_classes
        return cast(nn.Module, _auto().from_config(config).float())

    def pretrained_state(self) -> State:
        """Return the repository's weights, downloaded unless they are in a cache.

        Raises:
            ValueError: there are none, or they cannot be loaded.
        """
        if self.is_type:
            raise ValueError(
                f"{PREFIX}{self.name} is a type of model and has no weights; name a repository "
                f"such as google/vit-base-patch16-224, or give weights: FILE or random:SEED"
            )
        place, revision = _parted(self.name)
        try:
            model, loading = _auto().from_pretrained(
                place, revision=revision, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, *DAMAGE) as error:
            raise ValueError(
                f"the weights of {PREFIX}{self.name} could not be loaded ({_first(error)}); "
                "without a network name a folder with config.json and model.safetensors"
            ) from error
        if missing := sorted(loading["missing_keys"]):
            raise ValueError(
                f"{PREFIX}{self.name} is no classifier: its file lacks {', '.join(missing[:3])}; "
                "take a repository for image classification, or train a last layer elsewhere"
            )
        return cast(State, model.state_dict())


_OF_ANY_SIZE = {"convnext", "convnextv2", "swin", "swinv2", "segformer", "pvt_v2", "resnet"}


@cache
def _config(name: str) -> Any:
    transformers = _transformers()
    if name in _types():
        return transformers.AutoConfig.for_model(name)
    place, revision = _parted(name)
    # Every repository of classifiers is somebody's; a mistyped type is not looked for.
    if "/" not in name or _file(name, "config.json") is None:
        raise ValueError(
            f"{PREFIX}{name} is neither a folder with a config.json nor in a cache, and cannot be "
            f"downloaded; types of models are known without{nearest(name, _types())}"
        )
    config = transformers.AutoConfig.from_pretrained(place, revision=revision)
    if config.model_type not in _types():
        raise ValueError(
            f"{PREFIX}{name} is a {config.model_type}, of which transformers has no image "
            "classifier"
        )
    return config


def _file(name: str, file: str) -> str | None:
    """Return the path of a repository's file; None where it is not there."""
    from transformers.utils import cached_file  # noqa: PLC0415

    place, revision = _parted(name)
    try:
        found = cached_file(
            place, file, revision=revision, _raise_exceptions_for_missing_entries=False
        )
    except (OSError, ValueError):
        return None
    return cast(str | None, found)


def _parted(name: str) -> tuple[str, str]:
    """Return a repository or folder, and its revision."""
    if Path(name).expanduser().is_dir():
        return str(Path(name).expanduser()), "main"
    place, _, revision = name.partition("@")
    return place, revision or "main"


@cache
def _types() -> frozenset[str]:
    _transformers()
    from transformers.models.auto import modeling_auto  # noqa: PLC0415

    return frozenset(modeling_auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)


def _auto() -> Any:
    return _transformers().AutoModelForImageClassification


def _transformers() -> Any:
    try:
        # Imported here because it takes seconds, and few runs need it.
        import transformers  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"architectures called {PREFIX}NAME need transformers: "
            f"pip install 'swagflow[transformers]' ({error})"
        ) from error
    return transformers


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
