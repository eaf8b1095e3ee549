"""Explanations of CNNs and how faithful they are: PyTorch in, tensors out."""

from swag.api import explain
from swag.catalog import EXPLAINERS, METRICS
from swag.classifier import Classifier
from swag.protocols import Explainer, Metric
from swag.signals import Signals
from swag.types import Batch, Score

__all__ = [
    "EXPLAINERS",
    "METRICS",
    "Batch",
    "Classifier",
    "Explainer",
    "Metric",
    "Score",
    "Signals",
    "explain",
]
__version__ = "0.2.0"
