"""Explanations of image classifiers and how faithful they are: PyTorch in, tensors out."""

from importlib.metadata import version as _version

from swag.api import explain, score
from swag.catalog import BACKGROUNDS, EXPLAINER_METRICS, EXPLAINERS, FILLINGS, METRICS, SEGMENTERS
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


def __getattr__(name: str) -> str:
    """Return `__version__` when it is asked for: code on a cluster need not be an installation."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _version("swagflow")
