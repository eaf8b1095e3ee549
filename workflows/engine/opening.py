"""A benchmark whose data sets and models have been found, and what a store lacks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from swag.classifier import require_size
from swag.models import ModelSpec, fixed_size, load_classifier, resolved, weights_sha256

from ..config.benchmark import Benchmark
from ..config.identity import describe
from ..data import Dataset
from ..errors import UserError
from ..store.parts import Part
from ..store.run_folder import Store
from .plan import Plan, make_plan
from .roar import RoarJob, jobs_of, missing_jobs
from .timings import plan_timings

Subjects = dict[tuple[str, str], dict[str, object]]


@dataclass(frozen=True)
class Todo:
    """What a store lacks of a benchmark."""

    plan: Plan
    timings: Plan
    jobs: Sequence[RoarJob]
    replaced: Sequence[str] = ()
    """Results of jobs that others have replaced."""

    def __bool__(self) -> bool:
        return bool(self.plan.shards or self.timings.shards or self.jobs)


@dataclass(frozen=True)
class Opened:
    """A benchmark whose data sets and models have been found and identified."""

    benchmark: Benchmark
    datasets: dict[str, Dataset]
    subjects: Subjects

    def plan(self, parts: Sequence[Part]) -> Plan:
        return make_plan(self.benchmark, self.datasets, self.subjects, parts)

    def timings(self, parts: Sequence[Part]) -> Plan:
        return plan_timings(self.benchmark, self.datasets, self.subjects, parts)

    def todo(self, store: Store) -> Todo:
        parts = store.parts()
        jobs, replaced = missing_jobs(jobs_of(self.benchmark, self.subjects), store)
        return Todo(self.plan(parts), self.timings(parts), jobs, replaced)


def open_benchmark(benchmark: Benchmark) -> Opened:
    """Open every data set and load every model once.

    Raises:
        UserError: a data set is missing or empty, a model or its weights cannot be loaded, or a
            model takes images of another size only.
    """
    benchmark = _resolved(benchmark)
    datasets = {name: config.open() for name, config in benchmark.datasets.items()}
    subjects: Subjects = {}
    known: dict[object, dict[str, object]] = {}
    for dataset, opened in datasets.items():
        for model in benchmark.models:
            spec = benchmark.model_spec(dataset, model)
            if spec not in known:
                known[spec] = _identify(model, spec)
            _require_size(model, spec, dataset, opened)
            subjects[dataset, model] = {
                "dataset": opened.fingerprint,
                "model": known[spec],
            }
    return Opened(benchmark, datasets, subjects)


def _resolved(benchmark: Benchmark) -> Benchmark:
    """Return the benchmark with the numbers of every normalisation, which are part of its rows."""

    def numbers(name: str, spec: ModelSpec) -> ModelSpec:
        try:
            return resolved(spec)
        except ValueError as error:
            raise UserError(f"models.{name}: {error}") from error

    on = {
        name: {dataset: numbers(name, spec) for dataset, spec in specs.items()}
        for name, specs in benchmark.on.items()
    }
    models = {name: numbers(name, spec) for name, spec in benchmark.models.items()}
    return replace(benchmark, models=models, on=on)


def _require_size(name: str, spec: ModelSpec, dataset: str, opened: Dataset) -> None:
    try:
        require_size(fixed_size(spec), opened.input_size)
    except ValueError as error:
        raise UserError(f"models.{name} on {dataset}: {error}") from error


def _identify(name: str, spec: ModelSpec) -> dict[str, object]:
    try:
        classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=1)
    except ValueError as error:
        raise UserError(f"models.{name}: {error}") from error
    described = {key: value for key, value in describe(spec).items() if key != "weights"}
    return {**described, "weights_sha256": weights_sha256(classifier.model)}


def description_of(opened: Opened) -> dict[str, Any]:
    """Return benchmark.yaml: every setting with its defaults, and what identifies the subjects."""
    benchmark = opened.benchmark
    described: dict[str, Any] = describe(benchmark)
    described.pop("class")
    for name, explainer in benchmark.explainers.items():
        described["explainers"][name]["kind"] = explainer.kind
    described["metrics"] |= described.pop("timings")
    for name, metric in benchmark.metrics.items():
        described["metrics"][name]["higher_is_better"] = metric.higher_is_better
    for name, timing in benchmark.timings.items():
        described["metrics"][name]["higher_is_better"] = timing.higher_is_better
    described["subjects"] = {
        f"{dataset}/{model}": subject for (dataset, model), subject in opened.subjects.items()
    }
    return described
