"""Metrics: each is a frozen dataclass that scores images one by one, one family a file.

deletion.py, insertion.py   areas under perturbation curves
localisation.py             whether a saliency lies on the object
efficiency.py               how long an explainer takes; judges the explainer itself
"""

from swag.metrics.deletion import Deletion
from swag.metrics.efficiency import Efficiency
from swag.metrics.insertion import Insertion
from swag.metrics.localisation import EnergyInBox, PointingGame, WeakLocalisation

__all__ = [
    "Deletion",
    "Efficiency",
    "EnergyInBox",
    "Insertion",
    "PointingGame",
    "WeakLocalisation",
]
