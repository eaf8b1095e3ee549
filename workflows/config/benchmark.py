"""What a benchmark is: the data sets, models, methods and experiments that decide its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from swag.forwards import CopyPasses, Forward, Precision
from swag.models import ModelSpec
from swag.protocols import Explainer, ExplainerMetric, Metric

from ..data import DatasetConfig
from ..store.described import PREDICTED
from ..store.experiments import Experiment, RankedMetrics, Roar, Tuning


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is computed. How it runs (workers, devices, threads) is no part of it."""

    name: str
    datasets: Mapping[str, DatasetConfig]
    models: Mapping[str, ModelSpec]
    explainers: Mapping[str, Explainer]
    metrics: Mapping[str, Metric]
    timings: Mapping[str, ExplainerMetric] = field(default_factory=dict)
    """Metrics of an explainer itself; a configuration has them among its metrics."""
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    roar: Mapping[str, Roar] = field(default_factory=dict)
    """By the data set that validates."""
    tuning: Mapping[str, Tuning] = field(default_factory=dict)
    """By the data set whose saliencies are judged."""
    rankings: Mapping[str, RankedMetrics] = field(default_factory=dict)
    on: Mapping[str, Mapping[str, ModelSpec]] = field(default_factory=dict)
    """model -> data set -> its specification there, where it differs (fine-tuned weights)."""
    explainers_on: Mapping[str, Mapping[str, Explainer]] = field(default_factory=dict)
    """explainer -> model -> its settings there, where they differ (number of RISE's masks)."""
    seed: int = 0
    target: str = PREDICTED
    """Which class of an image is explained; see `swag.targets.Target`."""
    shard_size: int = 32
    """Images per part file."""
    batch_size: int = 32
    """Images that are explained together, and per model pass."""
    forward: Forward = "folded"
    """How perturbed copies go through a model, which changes no number beyond rounding."""
    precision: Precision = "float32"
    """In which numbers they do; see `swag.forwards` for both."""

    def model_spec(self, dataset: str, model: str) -> ModelSpec:
        """Return a model as it is on a data set; on one that only trains, as where it validates."""
        special = self.on.get(model, {})
        recipes = [*self.tuning.items(), *self.roar.items()]
        judged = {recipe.train: validation for validation, recipe in recipes}
        for name in (dataset, judged.get(dataset, dataset)):
            if name in special:
                return special[name]
        return self.models[model]

    @property
    def copies(self) -> CopyPasses:
        """How perturbed copies go through the models."""
        return CopyPasses(forward=self.forward, precision=self.precision)

    def explainer(self, name: str, model: str) -> Explainer:
        """Return an explainer as it is on a model."""
        return self.explainers_on.get(name, {}).get(model, self.explainers[name])
