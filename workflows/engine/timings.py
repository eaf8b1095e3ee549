"""The efficiency table: which explainers are to be timed where, and the worker that times them.

Timings have parts like all scores, but the first images of a data set only, and they run when
nothing else does, after all workers have ended: in the driver's process, or in one worker of a
cluster. What other programs do on the machine meanwhile is in the numbers, as is a slower machine;
each row names its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from swag.signals import Signals
from swag.types import Score

from ..config.benchmark import Benchmark
from ..data import Dataset
from ..hardware import device_name
from ..store.parts import Part
from .plan import Plan, Shard, Task, by_cell, cell_of
from .shard_worker import ShardWorker
from .work import attempt


def plan_timings(
    benchmark: Benchmark,
    datasets: Mapping[str, Dataset],
    subjects: Mapping[tuple[str, str], Mapping[str, object]],
    parts: Iterable[Part],
) -> Plan:
    """Return wanted minus stored: a shard for each explainer to be timed on a data set and model.

    Args:
        datasets: the opened data sets by name.
        subjects: what identifies data set and model, by their two names.
        parts: what the store holds.
    """
    held = by_cell(parts)
    shards: list[Shard] = []
    outdated: list[str] = []
    wanted = 0
    for (dataset, model), subject in subjects.items():
        for explainer, metric in benchmark.timed(dataset, model):
            images = benchmark.timings[metric].images
            image_ids = tuple(datasets[dataset].image_ids[:images])
            wanted += len(image_ids)
            cell = cell_of(benchmark, (dataset, model, explainer, metric), subject)
            path = cell.part(0, len(image_ids) - 1)
            same = [part.path for part in held.get((dataset, model, explainer, metric), [])]
            outdated += [other for other in same if other != path]
            if path not in same:
                masks = cell_of(benchmark, (dataset, model, explainer, None), subject)
                # A timing reads no masks, and writes none.
                task = Task(explainer, masks, (), ((metric, cell),), "missing")
                shards.append(Shard(dataset, model, 0, image_ids, (task,)))
    return Plan(tuple(shards), tuple(outdated), wanted)


class TimingWorker(ShardWorker):
    """Times the explainer of each shard's only task."""

    def prefetch(self, shard: Shard) -> None:
        """Load nothing ahead of its turn: it would be in the times of the shard before."""
        if not self._loading:
            super().prefetch(shard)

    def _run_task(
        self, shard: Shard, task: Task, signals: Signals, errors: Sequence[str | None]
    ) -> int:
        """Store a task's seconds; return how many rows have an error."""
        ((_, cell),) = task.metrics
        score, failure = attempt(lambda: self._measure(shard, task, signals))
        if score is None:
            return self.store_failure(shard, task, [e or failure for e in errors])
        self._store.write_scores(cell, shard.span, self._rows(shard, signals, errors), score)
        return sum(error is not None for error in errors)

    def _measure(self, shard: Shard, task: Task, signals: Signals) -> Score:
        metric = self._benchmark.timings[task.metrics[0][0]]
        explainer = self._benchmark.explainer(task.explainer, shard.model)
        score = metric.measure(explainer, signals.classifier, signals.batch)
        hardware = (device_name(signals.batch.device),) * len(signals.batch)
        return replace(score, columns={**score.columns, "hardware": hardware})
