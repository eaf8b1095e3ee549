"""The efficiency table: which explainers are to be timed where, and the worker that times them.

Timings have parts like all scores, but the first images of a data set only, and they run when
nothing else does, after all workers have ended: in the driver's process, or in one worker of a
cluster. What other programs do on the machine meanwhile is in the numbers, as is a slower machine;
each row names its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from swag.types import Score

from ..config.benchmark import Benchmark
from ..hardware import device_name
from ..store.described import Described
from ..store.parts import Part
from ..store.tracebacks import Failure
from .plan import Plan, Shard, Task, cell_of, timing_states
from .work import attempt
from .workshop import Bench, ShardReport, Workshop


def plan_timings(
    described: Described, image_ids: Mapping[str, Sequence[str]], parts: Iterable[Part]
) -> Plan:
    """Return wanted minus stored: a shard for each explainer to be timed on a data set and model.

    Args:
        described: with the number of images of every data set.
        image_ids: of each data set, in its order.
        parts: what the store holds.
    """
    states = timing_states(described, parts)
    shards = []
    for name, state in states.items():
        if not state.parts:
            # A timing reads no masks, and writes none.
            masks = cell_of(described, name.masks)
            task = Task(name.explainer, masks, (), ((str(name.metric), state.cell),), "missing")
            timed = tuple(image_ids[name.dataset][: state.num_wanted])
            shards.append(Shard(name.subject, 0, timed, (task,)))
    return Plan.of(shards, states.values())


class TimingWorker:
    """Times the explainer of each shard's only task."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._workshop = Workshop(benchmark, uri, device)

    def prefetch(self, shard: Shard) -> None:
        """Load nothing ahead of its turn: it would be in the times of the shard before."""
        if not self._workshop.loader.is_busy:
            self._workshop.loader.begin(shard)

    def run(self, shard: Shard) -> ShardReport:
        """Measure and store what the shard's task asks for."""
        return self._workshop.run(shard, self.run_task, len(shard.image_ids))

    def give_up(self, shard: Shard, failure: Failure) -> ShardReport:
        """Store rows with the failure for all that the shard asks for."""
        return self._workshop.give_up(shard, failure)

    def run_task(self, bench: Bench, task: Task) -> None:
        """Store a task's seconds."""
        ((_, cell),) = task.metrics
        score = attempt(lambda: self._measure(bench, task))
        if isinstance(score, Failure):
            self._workshop.spoil_cell(bench, cell, score)
        else:
            bench.parts.add_scores(cell, bench.rows(), score)

    def _measure(self, bench: Bench, task: Task) -> Score:
        benchmark, signals = self._workshop.benchmark, bench.signals
        metric = benchmark.timings[task.metrics[0][0]]
        explainer = benchmark.explainer(task.explainer, bench.shard.model)
        score = metric.measure(explainer, signals.classifier, signals.batch)
        hardware = (device_name(signals.batch.device),) * len(signals.batch)
        return replace(score, columns={**score.columns, "hardware": hardware})
