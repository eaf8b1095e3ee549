"""Models as their shapes alone: no memory, no values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = {"normal_", "uniform_"}


@contextmanager
def outlined() -> Iterator[None]:
    """Build models on the device `meta`, and leave out what only sets parameters' first values.

    PyTorch has these draws of a meta tensor explained by its compiler, whose import takes seconds.
    """
    with _Undrawn(), torch.device("meta"):
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = {"tensor": args[0] if args else None, **(kwargs or {})}
        if getattr(func, "__module__", None) == "torch.nn.init" or func.__name__ in _DRAWS:
            return named["tensor"]
        return func(*args, **(kwargs or {}))
