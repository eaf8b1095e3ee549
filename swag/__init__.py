"""Explanations of CNNs and how faithful they are: PyTorch in, tensors out."""

from swag.api import explain
from swag.catalog import EXPLAINER_METRICS, EXPLAINERS, METRICS, SEGMENTERS
from swag.classifier import Classifier
from swag.protocols import Explainer, ExplainerMetric, Metric, Segmenter
from swag.signals import Signals
from swag.types import Batch, Score

__all__ = [
    "EXPLAINERS",
    "EXPLAINER_METRICS",
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
    "explain",
]
__version__ = "0.2.0"
