"""Functions that numba compiles; only imported where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

Array = np.ndarray
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(*fast: str) -> Callable[[Function], Function]:
    """Return a decorator for what is compiled at its first call, with numba's flags of fast maths.

    What is compiled stays in a folder beside the module or, where none can be written, in the
    user's cache; where that cannot be either, every process compiles anew. Functions let go of the
    interpreter, so that threads work side by side.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": set(fast), "error_model": "numpy"}

    def decorate(function: Function) -> Function:
        try:
            done: Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            done = numba.njit(**options)(function)
        return done

    return decorate
