"""What a plan will take: model passes and storage, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from swag.types import Explainer
from workflows.benchmark import Benchmark
from workflows.plan import Plan, Shard
from workflows.ray_runner import Resources
from workflows.run import Opened

BYTES_PER_SCORE = 60
BYTES_PER_PIXEL = {"region": 0.6, "pixel": 3.6, "control": 2.4}
"""Of a stored saliency: superpixels repeat and pack well, single pixels hardly at all."""


@dataclass(frozen=True)
class Passes:
    """Model passes, in images: forward ones, and backward ones to the input."""

    forward: float = 0.0
    backward: float = 0.0

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward)

    def __mul__(self, images: int) -> Passes:
        return Passes(self.forward * images, self.backward * images)


def own_passes(item: object) -> Passes:
    """Return what an explainer or metric runs for an image beside the shared signals."""
    return Passes(getattr(item, "num_forwards", 0), getattr(item, "num_backwards", 0))


def shared_passes(explainers: Iterable[Explainer]) -> Passes:
    """Return what the signals of some explainers cost together: one forward, up to two backward."""
    needs = frozenset[str]().union(*(explainer.needs for explainer in explainers))
    plain = bool(needs & {"gradient", "layer"})
    return Passes(1, plain + ("guided_gradient" in needs))


def shard_passes(benchmark: Benchmark, shard: Shard) -> Passes:
    """Return the passes of a shard, shared signals counted once."""
    fresh = [
        benchmark.explainer(task.explainer, shard.model)
        for task in shard.tasks
        if task.stored_parts is None
    ]
    total = sum((own_passes(explainer) for explainer in fresh), shared_passes(fresh))
    for task in shard.tasks:
        for name, _ in task.metrics:
            total += own_passes(benchmark.metrics[name])
    return total * len(shard.image_ids)


def shard_bytes(benchmark: Benchmark, shard: Shard, pixels: int) -> float:
    """Return about how much a shard will store."""
    size = 0.0
    for task in shard.tasks:
        if task.stored_parts is None:
            size += pixels * BYTES_PER_PIXEL[benchmark.explainers[task.explainer].kind]
        size += BYTES_PER_SCORE * len(task.metrics)
    return size * len(shard.image_ids)


def summary(opened: Opened, plan: Plan, resources: Resources) -> Table:
    """Return a table with a row for each data set and model, and the total."""
    table = Table(title=f"{opened.benchmark.name}: what is to be computed")
    table.add_column("data set / model")
    for column in ("images", "rows held", "rows to do", "forward passes", "backward passes", "MB"):
        table.add_column(column, justify="right")
    totals = [0.0] * 6
    for dataset, model in opened.subjects:
        shards = [s for s in plan.shards if (s.dataset, s.model) == (dataset, model)]
        images = len(opened.datasets[dataset].image_ids)
        cells = len(opened.benchmark.wanted(dataset, model))
        height, width = opened.datasets[dataset].input_size
        passes = sum((shard_passes(opened.benchmark, s) for s in shards), Passes())
        rows = sum(shard.num_rows for shard in shards)
        size = sum(shard_bytes(opened.benchmark, s, height * width) for s in shards) / 1e6
        values = [images, images * cells - rows, rows, passes.forward, passes.backward, size]
        totals = [total + value for total, value in zip(totals, values, strict=True)]
        table.add_row(f"{dataset} / {model}", *(f"{value:,.0f}" for value in values))
    table.add_section()
    table.add_row("total", *(f"{value:,.0f}" for value in totals))
    table.caption = f"{len(plan.shards)} shards, {resources}"
    return table
