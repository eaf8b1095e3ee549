"""Explanations of image classifiers and how faithful they are: PyTorch in, tensors out.

What it offers is imported when it is asked for, so that who only needs its statistics, as a report
does, does not wait for PyTorch.
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swag.api import explain, score
    from swag.catalog import (
        BACKGROUNDS,
        EXPLAINER_METRICS,
        EXPLAINERS,
        FILLINGS,
        METRICS,
        SEGMENTERS,
    )
    from swag.classifier import Classifier
    from swag.default import default_method
    from swag.protocols import Explainer, ExplainerMetric, Metric, Segmenter
    from swag.signals import Signals
    from swag.types import Batch, Score

__all__ = [
    "BACKGROUNDS",
    "EXPLAINERS",
    "EXPLAINER_METRICS",
    "FILLINGS",
    "METRICS",
    "SEGMENTERS",
    "Batch",
    "Classifier",
    "Explainer",
    "ExplainerMetric",
    "Metric",
    "Score",
    "Segmenter",
    "Signals",
    "default_method",
    "explain",
    "score",
]
_MODULES = {
    "api": ("explain", "score"),
    "catalog": (
        *("BACKGROUNDS", "EXPLAINERS", "EXPLAINER_METRICS"),
        *("FILLINGS", "METRICS", "SEGMENTERS"),
    ),
    "classifier": ("Classifier",),
    "default": ("default_method",),
    "protocols": ("Explainer", "ExplainerMetric", "Metric", "Segmenter"),
    "signals": ("Signals",),
    "types": ("Batch", "Score"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for, a module too: those that need no PyTorch are to come without it.

    `__version__` is looked up then as well: code on a cluster need not be an installation.
    """
    if name == "__version__":
        return _version("swagflow")
    if name in _MODULE_OF:
        found = getattr(_import_module(f"swag.{_MODULE_OF[name]}"), name)
        globals()[name] = found
        return found
    if not name.startswith("_") and _find_spec(f"swag.{name}") is not None:
        return _import_module(f"swag.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
