"""Models, methods and metrics that somebody has made, as parts of a benchmark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from swag.catalog import EXPLAINER_METRICS, EXPLAINERS, METRICS
from swag.classifier import Classifier
from swag.default import WITH_RELU, WITHOUT_RELU, default_method
from swag.models import GivenModel, ModelSpec, load_classifier, weights_sha256
from swag.protocols import Explainer, Metric

from ..config.fields import configured
from ..config.presets import preset_of
from ..data import MAPS
from ..errors import UserError, as_user_error
from .code import code_of
from .objects import (
    Called,
    Explain,
    GivenExplainer,
    GivenMaps,
    GivenMetric,
    Judge,
    Named,
    image_id,
)


def models_of(models: object, options: Mapping[str, Any]) -> dict[str, ModelSpec]:
    """Return the models of a benchmark.

    Args:
        models: one, a list, or a mapping of names to them: each a module, a `swag.Classifier`, a
            function from normalised images to outputs, a `ModelSpec` or a name.
        options: mean, std, output and cam_layer of all of them.

    Raises:
        UserError: something else, or one that nobody can tell from another.
    """
    return {
        name: _model(model, options, f"models.{name}")
        for name, model in _by_name(models, "models").items()
    }


def _model(model: object, options: Mapping[str, Any], what: str) -> ModelSpec:
    thing, own_id = _parted(model)
    if isinstance(thing, str):
        return configured(ModelSpec(architecture=thing), options, what)
    if isinstance(thing, ModelSpec):
        return configured(thing, options, what)
    if isinstance(thing, Classifier):
        mean, std = (tensor.flatten().tolist() for tensor in (thing.mean_1C11, thing.std_1C11))
        own = {"mean": mean, "std": std, "output": thing.output, "cam_layer": thing.cam_layer}
        return _given(thing.model, own_id, {**own, **options}, what)
    if isinstance(thing, nn.Module):
        return _given(thing, own_id, options, what)
    if callable(thing):
        own_id = own_id or code_of(thing, what)
        return _given(Called(cast(Callable[[Tensor], Any], thing)), own_id, options, what)
    raise UserError(
        f"{what}: got a {type(thing).__name__}, wanted a torch.nn.Module, a swag.Classifier, a "
        "function of images, or a name"
    )


def _given(
    model: nn.Module, own_id: str | None, options: Mapping[str, Any], what: str
) -> GivenModel:
    kinds = {parameter.dtype for parameter in model.parameters()} - {torch.float32}
    if kinds:
        raise UserError(
            f"{what}: its parameters are {', '.join(sorted(map(str, kinds)))}, and explanations "
            "are computed in float32; give model.float(), or a copy of it"
        )
    spec = GivenModel(
        architecture=type(model).__qualname__,
        weights=f"sha256:{weights_sha256(model)}",
        code=own_id or code_of(model, what),
        module=model,
    )
    return configured(spec, options, what)


def explainers_of(explainers: object) -> dict[str, Explainer]:
    """Return the explainers of a benchmark.

    Args:
        explainers: one, a list, or a mapping of names to them: each a name, an explainer, a
            mapping of fields with the `type`, a function `f(model, images, targets) -> maps` of
            normalised images, or ready maps, a mapping of image ids to arrays.

    Raises:
        UserError: something else.
    """
    found: dict[str, Explainer] = {}
    for name, item in _by_name(explainers, "explainers").items():
        thing, own_id = _parted(item)
        what = f"explainers.{name}"
        ready = _ready(thing)
        if ready is not None:
            found[name] = GivenMaps(own_id or code_of(ready, what), ready)
        elif _is_function(thing, Explainer):
            function = cast(Explain, thing)
            code = own_id or code_of(function, what)
            found[name] = GivenExplainer(_function_name(function), code, function)
        else:
            found[name] = _configured("explainer", thing, name, {**EXPLAINERS, **MAPS})
    return found


def default_explainers(models: Mapping[str, ModelSpec], image_1CHW: Tensor) -> dict[str, Explainer]:
    """Return controls, Grad-CAM, and SWAG as all models allow it.

    Raises:
        UserError: a model cannot be loaded, or does not take the image.
    """
    with as_user_error("models"):
        found = {
            default_method(
                load_classifier(spec, device=torch.device("cpu"), batch_size=1), image_1CHW
            )
            for spec in models.values()
        }
    swag = WITHOUT_RELU if WITHOUT_RELU in found else WITH_RELU
    return {name: EXPLAINERS[name] for name in ("random", "centre", "grad_cam", swag)}


def metrics_of(metrics: object) -> dict[str, Any]:
    """Return the metrics of a benchmark, as `explainers_of`.

    A function is `f(model, images, targets, maps) -> values`, one a image, of which higher is
    better unless it has an attribute `higher_is_better = False`.

    Raises:
        UserError: something else.
    """
    found: dict[str, Any] = {}
    for name, item in _by_name(metrics, "metrics").items():
        thing, own_id = _parted(item)
        if _is_function(thing, Metric):
            function = cast(Judge, thing)
            code = own_id or code_of(function, f"metrics.{name}")
            higher = bool(getattr(function, "higher_is_better", True))
            found[name] = GivenMetric(_function_name(function), code, higher, function)
        else:
            found[name] = _configured("metric", thing, name, {**METRICS, **EXPLAINER_METRICS})
    return found


def _ready(thing: object) -> dict[str, np.ndarray] | None:
    """Return ready maps by the ids of their images; None where it is something else."""
    if isinstance(thing, np.ndarray | Tensor):
        if thing.ndim != 3:
            raise UserError(f"ready maps must have shape (B, H, W), got {tuple(thing.shape)}")
        return {image_id(index): _array(item) for index, item in enumerate(thing)}
    if not isinstance(thing, Mapping) or not thing:
        return None
    if not all(isinstance(item, np.ndarray | Tensor) and item.ndim == 2 for item in thing.values()):
        return None
    return {str(key): _array(item) for key, item in thing.items()}


def _array(item: np.ndarray | Tensor) -> np.ndarray:
    found = item.detach().cpu().numpy() if isinstance(item, Tensor) else item
    return np.asarray(found, np.float32)


def _configured(kind: str, thing: object, name: str, table: Mapping[str, Any]) -> Any:
    path = f"{kind}s.{name}"
    if isinstance(thing, str):
        return preset_of(kind, thing, table, path)
    if isinstance(thing, Mapping):
        fields = {str(key): value for key, value in thing.items()}
        return configured(preset_of(kind, fields.pop("type", name), table, path), fields, path)
    if is_dataclass(thing) and not isinstance(thing, type):
        return configured(thing, {}, path)
    raise UserError(
        f"{path}: got {thing!r}, wanted a name, a mapping of fields, a function, or a frozen "
        f"dataclass with what swag.protocols.{kind.capitalize()} has"
    )


def _is_function(thing: object, protocol: type) -> bool:
    return callable(thing) and not isinstance(thing, protocol) and not is_dataclass(thing)


def _function_name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _parted(item: object) -> tuple[Any, str | None]:
    """Return a thing, and its `named` id where it has one."""
    return (item.thing, f"id:{item.id}") if isinstance(item, Named) else (item, None)


def _by_name(things: object, what: str) -> dict[str, Any]:
    """Return one thing, some or a mapping of them under names that can be those of folders."""
    if isinstance(things, Mapping) and _ready(things) is None:
        found = {str(name): item for name, item in things.items()}
    else:
        several = isinstance(things, list | tuple | set)
        items: Iterable[Any] = cast(Sequence[Any], things) if several else [things]
        found = {}
        for item in items:
            name = _name_of(item)
            if name in found:
                raise UserError(f"{what}: two are called {name}; give a mapping of names to them")
            found[name] = item
    if not found:
        raise UserError(f"{what}: wanted at least one")
    return found


def _name_of(item: object) -> str:
    thing, _ = _parted(item)
    if isinstance(thing, str):
        own = thing.rpartition("/")[2] if thing.startswith(("timm/", "hf/", "pypi/")) else thing
    elif isinstance(thing, Classifier):
        own = type(thing.model).__name__
    else:
        own = getattr(thing, "__name__", type(thing).__name__)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", own).strip("-.") or "it"
