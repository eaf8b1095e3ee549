"""Functions that numba compiles; only imported where it is installed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np

Array = np.ndarray
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(*fast: str, inline: bool = False) -> Callable[[Function], Function]:
    """Return a decorator for what is compiled at its first call, with numba's flags of fast maths.

    What is compiled stays in a folder beside the module or, where none can be written, in the
    user's cache; where that cannot be either, every process compiles anew. It is taken from there
    until a module of its folder or this one changes: numba looks at a function's own file only,
    although what is compiled holds the functions that it calls. Functions let go of the
    interpreter, so that threads work side by side.

    `inline` puts a function into what calls it, always. Otherwise LLVM chooses, and a process that
    compiles runs other copies of a function than those that load it: of sums that may be taken in
    any order, the last bits differ.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": set(fast),
        "error_model": "numpy",
        "forceinline": inline,
    }

    def decorate(function: Function) -> Function:
        function.__qualname__ += f"_{_digest(Path(function.__code__.co_filename).parent)}"
        try:
            done: Function = numba.njit(cache=True, **options)(function)
        except RuntimeError:
            done = numba.njit(**options)(function)
        return done

    return decorate


@lru_cache
def _digest(folder: Path) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
