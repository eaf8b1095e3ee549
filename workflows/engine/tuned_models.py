"""Files of fine-tuned models: weights, and what is known of them, written last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from swag.models import state_sha256, weights_sha256

from ..store.files import Folder
from .tuning_jobs import ROOT

SHA256 = "weights_sha256"
DAMAGE = (SafetensorError, RuntimeError, ValueError, LookupError, TypeError)


def save_tuned(folder: Folder, path: str, model: nn.Module, about: Mapping[str, Any]) -> None:
    """Store a model; its weights count once its description is there."""
    state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    folder.write(f"{path}.safetensors", save(state))
    content = {**about, SHA256: weights_sha256(model)}
    folder.write(f"{path}.json", json.dumps(content, indent=2).encode())
    folder.file(_reason(path)).remove()


def save_reason(folder: Folder, path: str, error: str) -> None:
    """Store why a model could not be fine-tuned, for the rows that it was to score."""
    folder.write(_reason(path), error.encode())


def load_tuned(folder: Folder, path: str, model: nn.Module) -> None:
    """Put the stored weights into a model.

    Raises:
        ValueError: there are none, because the fine-tuning failed, or they are damaged.
    """
    about, weights = folder.find(f"{path}.json"), folder.find(f"{path}.safetensors")
    if about is None or weights is None:
        reason = folder.find(_reason(path))
        why = "it is not there" if reason is None else f"its fine-tuning failed: {reason.decode()}"
        raise ValueError(f"no model to score with: {why}")
    try:
        model.load_state_dict(_whole(about, weights))
    except DAMAGE as error:
        raise ValueError(
            f"{path}.safetensors does not hold what was written; delete it and {path}.json, and "
            "run again with --retry-errors"
        ) from error


def verify_tuned(folder: Folder) -> Iterator[tuple[str, str | None]]:
    """Yield the path of every stored model without its ending, and what is wrong with it or None.

    Weights without a description are of a fine-tuning that goes on.
    """
    for path in sorted(folder.list(ROOT)):
        stem, _, ending = path.rpartition(".")
        if ending == "json":
            yield stem, None if _is_whole(folder, stem) else f"{stem}.safetensors is damaged"


def forget_tuned(folder: Folder, path: str) -> None:
    """Delete a stored model, so that it is fine-tuned again where rows still need it."""
    for ending in ("json", "safetensors"):
        folder.file(f"{path}.{ending}").remove()


def _is_whole(folder: Folder, path: str) -> bool:
    about, weights = folder.find(f"{path}.json"), folder.find(f"{path}.safetensors")
    if about is None or weights is None:
        return False
    try:
        _whole(about, weights)
    except DAMAGE:
        return False
    return True


def _whole(about: bytes, weights: bytes) -> dict[str, Tensor]:
    """Return the weights that a description is of; raises one of `DAMAGE` where it is not."""
    state: dict[str, Tensor] = load(weights)
    if state_sha256(state) != json.loads(about)[SHA256]:
        raise ValueError("these are other weights")
    return state


def _reason(path: str) -> str:
    return f"{path}.failed"
