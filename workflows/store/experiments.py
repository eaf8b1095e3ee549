"""What a benchmark asks of its data sets, models and methods: experiments, and remove and retrain.

A configuration writes them, and a run folder keeps them for whoever reads its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A table or figure: one metric of some explainers on some data sets and models.

    What the experiments of a benchmark name is what it computes; what two of them share is computed
    once. An explainer that none of them names joins the first.
    """

    explainers: tuple[str, ...]
    metric: str | None = "deletion"
    """None: masks only."""
    datasets: tuple[str, ...] = ()
    """Empty: all but those that only train."""
    models: tuple[str, ...] = ()
    """Empty: all."""

    def covers(self, dataset: str, model: str) -> bool:
        return dataset in (self.datasets or (dataset,)) and model in (self.models or (model,))


ROAR_EXTENT = ("explainers", "models", "fractions", "repeats")
"""Fields of `Roar` that say which jobs there are; the others are the recipe of each."""


@dataclass(frozen=True, kw_only=True)
class Roar:
    """Remove and retrain (Hooker et al., 2019): models trained again without the salient pixels."""

    train: str
    """The data set whose images train; the one that this belongs to validates."""
    explainers: tuple[str, ...]
    models: tuple[str, ...] = ()
    """Empty: all."""
    fractions: tuple[float, ...] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    """Of an image's pixels that are removed; 0 is trained once for all explainers."""
    repeats: int = 5
    epochs: int = 50
    learning_rate: float = 0.001
    batch_size: int = 32
    optimizer: Literal["sgd", "adamw"] = "sgd"
    schedule: Literal["constant", "cosine"] = "constant"
    flip: bool = True
    """Mirror each training image left to right with chance 1/2."""
    start: Literal["pretrained", "scratch"] = "pretrained"

    def __post_init__(self) -> None:
        if not self.fractions or any(not 0 <= fraction < 1 for fraction in self.fractions):
            raise ValueError(f"fractions must lie in [0, 1), got {list(self.fractions)}")
        for name in ("repeats", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
