"""Metrics: each is a frozen dataclass that scores images one by one, one family a file.

deletion.py, insertion.py   areas under perturbation curves
perturbation.py             the same with any filling, unit, order and reading
localisation.py             whether a box round a saliency fits the object's
ground_truth.py             whether a saliency lies on the object; truths.py says where that is
in_distribution.py          what a model that was fine-tuned on perturbed images loses
robustness.py               what a saliency does when the image is changed; explains again
randomisation.py            what it does when the model is; explains again
attribution.py              whether its values add up to what the model's output loses
complexity.py               how concentrated it is
efficiency.py               how long an explainer takes; judges the explainer itself
"""

from swag.metrics.attribution import Completeness, Infidelity, SensitivityN
from swag.metrics.complexity import Complexity, Sparseness
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
from swag.metrics.randomisation import (
    EfficientRandomisation,
    ParameterRandomisation,
    RandomLogit,
)
from swag.metrics.robustness import Equivariance, RelativeStability, Sensitivity

__all__ = [
    "IDSDS",
    "ROCAUC",
    "Completeness",
    "Complexity",
    "Deletion",
    "Efficiency",
    "EfficientRandomisation",
    "EnergyInBox",
    "Equivariance",
    "FFidelity",
    "Infidelity",
    "Insertion",
    "MaskIoU",
    "ParameterRandomisation",
    "PerturbationCurve",
    "PointingGame",
    "RandomLogit",
    "RelativeStability",
    "RelevanceRankAccuracy",
    "Sensitivity",
    "SensitivityN",
    "Sparseness",
    "WeakLocalisation",
]
