"""Tensors from weights files; no code in a file is run."""

from __future__ import annotations

import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

State = Mapping[str, Tensor]

DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What torch.load was seen to raise for files with a few changed bytes."""


def read_state(path: Path) -> State:
    """Return the tensors of a weights file by name, also of a training checkpoint.

    Raises:
        ValueError: the file is missing, damaged, of another kind, or holds code.
    """
    if not path.is_file():
        raise ValueError(f"weights file {path} does not exist")
    if path.suffix not in {".safetensors", ".pt", ".pth", ".bin"}:
        raise ValueError(f"weights file {path} must end in .safetensors, .pt, .pth or .bin")
    try:
        if path.suffix == ".safetensors":
            return cast(State, load_file(path))
        return _plain(load_tensors(path))
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"weights file {path} is damaged or holds more than tensors, and code in it is not "
            "run; write torch.save(model.state_dict(), ...) or a .safetensors file"
        ) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"weights file {path} cannot be read: {error}") from error


def load_tensors(file: Path | BinaryIO) -> object:
    """Return what `torch.save` wrote, on the CPU.

    Raises:
        pickle.UnpicklingError: it holds more than tensors and plain containers.
        ValueError: it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of a damaged file, which fails anyway
            return torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _plain(content: object) -> State:
    """Return the state dict, also of a training checkpoint or of a `DataParallel` model."""
    while isinstance(content, Mapping):
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return {str(key).removeprefix("module."): value for key, value in content.items()}
        content = content.get("state_dict", content.get("model"))
    raise ValueError("it holds no state dict of a model")
