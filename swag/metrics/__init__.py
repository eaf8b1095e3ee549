"""Metrics: each is a frozen dataclass that scores images one by one, one family a file.

deletion.py, insertion.py   areas under perturbation curves
perturbation.py             the same with any filling, unit, order and reading
localisation.py             whether a box round a saliency fits the object's
ground_truth.py             whether a saliency lies on the object; truths.py says where that is
in_distribution.py          what a model that was fine-tuned on perturbed images loses
efficiency.py               how long an explainer takes; judges the explainer itself
"""

from swag.metrics.deletion import Deletion
from swag.metrics.efficiency import Efficiency
from swag.metrics.ground_truth import (
    ROCAUC,
    EnergyInBox,
    MaskIoU,
    PointingGame,
    RelevanceRankAccuracy,
)
from swag.metrics.in_distribution import IDSDS, FFidelity
from swag.metrics.insertion import Insertion
from swag.metrics.localisation import WeakLocalisation
from swag.metrics.perturbation import PerturbationCurve

__all__ = [
    "IDSDS",
    "ROCAUC",
    "Deletion",
    "Efficiency",
    "EnergyInBox",
    "FFidelity",
    "Insertion",
    "MaskIoU",
    "PerturbationCurve",
    "PointingGame",
    "RelevanceRankAccuracy",
    "WeakLocalisation",
]
