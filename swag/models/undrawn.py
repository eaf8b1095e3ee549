"""Models of which only the shapes are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

DRAWING = {"bernoulli_", "exponential_", "normal_", "random_", "uniform_"}


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        """Return a tensor as it is where it was to be drawn anew."""
        is_drawing = getattr(func, "__name__", "") in DRAWING and args
        return args[0] if is_drawing else func(*args, **(kwargs or {}))


@contextmanager
def only_shapes() -> Iterator[None]:
    """Make tensors without values inside the block.

    Drawing such would import TorchDynamo, which takes longer than the rest of PyTorch.
    """
    with torch.device("meta"), _Undrawn():
        yield
