"""Metrics: each is a frozen dataclass that scores images one by one, one family a file.

deletion.py, insertion.py   areas under perturbation curves
perturbation.py             the same with any filling, unit, order and reading
localisation.py             whether a saliency lies on the object
efficiency.py               how long an explainer takes; judges the explainer itself
"""

from swag.metrics.deletion import Deletion
from swag.metrics.efficiency import Efficiency
from swag.metrics.insertion import Insertion
from swag.metrics.localisation import EnergyInBox, PointingGame, WeakLocalisation
from swag.metrics.perturbation import PerturbationCurve

__all__ = [
    "Deletion",
    "Efficiency",
    "EnergyInBox",
    "Insertion",
    "PerturbationCurve",
    "PointingGame",
    "WeakLocalisation",
]
