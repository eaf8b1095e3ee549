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

from ..hardware import device_name
from ..store.described import Described
from ..store.parts import Part
from .plan import Plan, Shard, Task, cell_of, timing_states
from .shard_worker import ShardWorker
from .work import attempt


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
    outdated = tuple(part.path for state in states.values() for part in state.outdated)
    return Plan(tuple(shards), outdated, sum(state.num_wanted for state in states.values()))


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
