"""From a Benchmark to the description of it that its run folder keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from swag.protocols import TunedMetric, needs_of, passes_of, reads_layer, shared_passes

from ..store.described import PASSES, READS_LAYER, TUNED_WITH, Described, Fields
from ..store.parts import Subject
from .benchmark import Benchmark
from .identity import describe

MOST_CHARACTERS = 400
"""Of what a class says of itself."""


def describe_benchmark(
    benchmark: Benchmark,
    subjects: Mapping[Subject, Fields] | None = None,
    num_images: Mapping[str, int] | None = None,
) -> Described:
    """Return every setting of a benchmark with its defaults.

    Args:
        subjects: what identifies each data set and model beyond its settings.
        num_images: of each data set.
    """
    metrics: dict[str, Any] = {**benchmark.metrics, **benchmark.timings}
    return Described(
        name=benchmark.name,
        datasets=_each(benchmark.datasets),
        models=_each(benchmark.models),
        explainers={
            name: {
                **describe(explainer),
                "kind": explainer.kind,
                **_about(explainer),
                **({READS_LAYER: True} if reads_layer(explainer) else {}),
                PASSES: _passes(explainer),
            }
            for name, explainer in benchmark.explainers.items()
        },
        metrics={
            name: {
                **describe(metric),
                "higher_is_better": metric.higher_is_better,
                **_about(metric),
                **({"is_timing": True} if name in benchmark.timings else {}),
                **_tuned_with(metric),
            }
            for name, metric in metrics.items()
        },
        experiments=dict(benchmark.experiments),
        roar=dict(benchmark.roar),
        tuning=dict(benchmark.tuning),
        rankings=dict(benchmark.rankings),
        on={name: _each(special) for name, special in benchmark.on.items()},
        explainers_on={name: _each(own) for name, own in benchmark.explainers_on.items()},
        seed=benchmark.seed,
        target=benchmark.target,
        shard_size=benchmark.shard_size,
        batch_size=benchmark.batch_size,
        forward=benchmark.forward,
        precision=benchmark.precision,
        subjects={str(subject): about for subject, about in (subjects or {}).items()},
        num_images=dict(num_images or {}),
    )


def _each(configured: Mapping[str, Any]) -> dict[str, Fields]:
    return {name: describe(item) for name, item in configured.items()}


def _tuned_with(metric: object) -> dict[str, Fields]:
    """Return the perturbation that a metric's model is fine-tuned with, if it is."""
    return {TUNED_WITH: describe(metric.perturbation)} if isinstance(metric, TunedMetric) else {}


def _passes(explainer: object) -> dict[str, int]:
    """Return what it takes to explain one image, of which several explainers share a part."""
    own, shared = passes_of(explainer), shared_passes(needs_of(explainer))
    return {
        "forwards": own.forwards + shared.forwards,
        "backwards": own.backwards + shared.backwards,
    }


def _about(configured: object) -> dict[str, str]:
    """Return what it says of itself, else its class's docstring unless `dataclass` made that.

    Of either the first paragraph, in one line.
    """
    kind = type(configured)
    said = getattr(configured, "about", None)
    text = said if isinstance(said, str) else ""
    if not text.strip() and not (kind.__doc__ or "").startswith(f"{kind.__name__}("):
        text = kind.__doc__ or ""
    paragraph = re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0]
    return (
        {"about": shorten(paragraph, MOST_CHARACTERS, placeholder=" \u2026")} if paragraph else {}
    )
