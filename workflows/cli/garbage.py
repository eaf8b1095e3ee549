"""When Python need not look for garbage: while much is made that stays."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage inside the block."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Set aside for good what is imported inside the block, unless the module is there already."""
    is_first = module not in sys.modules
    with uncollected():
        yield
        if is_first:
            gc.freeze()
