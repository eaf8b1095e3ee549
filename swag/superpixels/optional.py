"""What numba compiles, where it is installed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def compiled_module(name: str) -> ModuleType | None:
    """Return a module that numba compiles, by its full name; None where numba does not work."""
    try:
        return import_module(name)
    except ImportError:
        return None
