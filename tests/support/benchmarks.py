"""What a benchmark wants, without opening its data sets and models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swagflow.config.benchmark import Benchmark
from swagflow.config.description import describe_benchmark
from swagflow.store.described import Described
from swagflow.store.parts import Subject

Pairs = list[tuple[str, str | None]]


def described(
    benchmark: Benchmark,
    subjects: Mapping[tuple[str, str], dict[str, Any]],
    num_images: Mapping[str, int] | None = None,
) -> Described:
    """Describe a benchmark by made-up fingerprints of data sets and models."""
    known = {Subject(*names): about for names, about in subjects.items()}
    return describe_benchmark(benchmark, known, num_images)


def wanted(benchmark: Benchmark, dataset: str, model: str) -> Pairs:
    """Return explainers and metrics of the masks and scores that are computed there."""
    names = describe_benchmark(benchmark).wanted(Subject(dataset, model))
    return [(name.explainer, name.metric) for name in names]


def timed(benchmark: Benchmark, dataset: str, model: str) -> Pairs:
    """Return explainers and metrics of the timings there."""
    names = describe_benchmark(benchmark).timed(Subject(dataset, model))
    return [(name.explainer, name.metric) for name in names]
