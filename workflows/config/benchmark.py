"""What a benchmark is: the data sets, models, methods and experiments that decide its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from swag.metrics.efficiency import Efficiency
from swag.models import ModelSpec
from swag.protocols import Explainer, Metric

from ..data import DatasetConfig


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


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is computed. How it runs (workers, devices, threads) is no part of it."""

    name: str
    datasets: Mapping[str, DatasetConfig]
    models: Mapping[str, ModelSpec]
    explainers: Mapping[str, Explainer]
    metrics: Mapping[str, Metric]
    timings: Mapping[str, Efficiency] = field(default_factory=dict)
    """Metrics of an explainer itself; a configuration has them among its metrics."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    roar: Mapping[str, Roar] = field(default_factory=dict)
    """By the data set that validates."""
    on: Mapping[str, Mapping[str, ModelSpec]] = field(default_factory=dict)
    """model -> data set -> its specification there, where it differs (fine-tuned weights)."""
    explainers_on: Mapping[str, Mapping[str, Explainer]] = field(default_factory=dict)
    """explainer -> model -> its settings there, where they differ (number of RISE's masks)."""
    seed: int = 0
    shard_size: int = 32
    """Images per part file, and per pass of the shared signals' memory."""
    batch_size: int = 32
    """Images per model pass."""

    def model_spec(self, dataset: str, model: str) -> ModelSpec:
        """Return a model as it is on a data set; on one that only trains, as where it validates."""
        special = self.on.get(model, {})
        judged = {roar.train: validation for validation, roar in self.roar.items()}
        for name in (dataset, judged.get(dataset, dataset)):
            if name in special:
                return special[name]
        return self.models[model]

    def explainer(self, name: str, model: str) -> Explainer:
        """Return an explainer as it is on a model."""
        return self.explainers_on.get(name, {}).get(model, self.explainers[name])

    def wanted(self, dataset: str, model: str) -> list[tuple[str, str | None]]:
        """Return what is computed there: (explainer, metric), or (explainer, None) for masks.

        Timings need no masks and are not among it.
        """
        cells = {
            (explainer, metric): None
            for experiment in self.experiments.values()
            if experiment.covers(dataset, model) and experiment.metric not in self.timings
            for explainer in experiment.explainers
            for metric in (None, experiment.metric)
        }
        for validation, roar in self.roar.items():
            if dataset in {validation, roar.train} and model in (roar.models or (model,)):
                cells |= {(explainer, None): None for explainer in roar.explainers}
        order = {name: index for index, name in enumerate(self.explainers)}
        return sorted(cells, key=lambda cell: (order[cell[0]], cell[1] or ""))

    def timed(self, dataset: str, model: str) -> list[tuple[str, str]]:
        """Return what is timed there: (explainer, metric)."""
        cells = {
            (explainer, experiment.metric): None
            for experiment in self.experiments.values()
            if experiment.covers(dataset, model) and experiment.metric in self.timings
            for explainer in experiment.explainers
        }
        return [(explainer, metric) for explainer, metric in cells if metric is not None]
