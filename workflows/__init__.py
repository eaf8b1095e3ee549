"""The benchmark at scale: configuration, plan, store, workers, report and command line.

From Python it is `swagflow.evaluate`, which returns `swagflow.Results`; `swagflow.named` tells it
what an object is.
"""

import logging
from importlib import import_module
from typing import Any

__version__ = "0.2.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # see logs.py

_FRONT = {"evaluate": "evaluate", "named": "objects", "Results": "results"}


def __getattr__(name: str) -> Any:
    """Import the way in from Python when it is asked for: `swagflow --help` is to come at once."""
    if name not in _FRONT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".front.{_FRONT[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *_FRONT]
