"""What `swagflow train` is told, from a YAML file and `--set` options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swag.models import ModelSpec, resolved

from ..config.fields import configured
from ..config.load import datasets_of
from ..config.plain import mapping_of, require_known
from ..config.raw import apply_override, read_config
from ..data import DatasetConfig
from ..errors import UserError, as_user_error
from .recipe import Fit


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images differ from epoch to epoch."""

    flip: bool = False
    """Mirror each image left to right with chance 1/2."""
    colours: bool = False
    """Permute each image's colour channels, and invert them with chance 1/2."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run."""

    model: ModelSpec
    """Its weights are where training starts; its last layer is replaced where the number of classes
    differs."""
    train: DatasetConfig
    validation: DatasetConfig
    recipe: Fit
    augmentation: Augmentation = field(default_factory=Augmentation)


def load_train_configs(path: str, overrides: Sequence[str] = ()) -> dict[str, TrainConfig]:
    """Return a training run for each model of a configuration.

    Its keys: `models`; `datasets`, of which one is called train and one validation; `start`, where
    "scratch" means random weights and "pretrained" (the default) those of the model; the fields of
    `Fit` under `recipe` and of `Augmentation` under `augmentation`.

    Raises:
        UserError: an unknown key, a value of the wrong type or out of range, or a missing section.
    """
    raw = read_config(path)
    for override in overrides:
        apply_override(raw, override)
    for key in raw:
        require_known(key, _KEYS, key)
    datasets = datasets_of(mapping_of(raw.get("datasets") or {}, "datasets"))
    for split in ("train", "validation"):
        if split not in datasets:
            raise UserError(f"datasets.{split} is not set; training needs train and validation")
    models = mapping_of(raw.get("models") or {}, "models")
    if not models:
        raise UserError("models: training needs at least one")
    recipe = configured(Fit(epochs=50, learning_rate=0.001), raw.get("recipe") or {}, "recipe")
    augmentation = configured(Augmentation(), raw.get("augmentation") or {}, "augmentation")
    start = raw.get("start", "pretrained")
    if start not in {"pretrained", "scratch"}:
        raise UserError(f"start: wanted pretrained or scratch, got {start!r}")
    scratch = {"weights": f"random:{recipe.seed}"} if start == "scratch" else {}
    return {
        name: TrainConfig(
            model=_model(name, {**own, **scratch}),
            train=datasets["train"],
            validation=datasets["validation"],
            recipe=recipe,
            augmentation=augmentation,
        )
        for name, own in models.items()
    }


def _model(name: str, fields: Mapping[str, Any]) -> ModelSpec:
    spec = configured(ModelSpec(architecture=name), fields, f"models.{name}")
    with as_user_error(f"models.{name}"):
        return resolved(spec)


_KEYS = ("name", "models", "datasets", "start", "recipe", "augmentation")
