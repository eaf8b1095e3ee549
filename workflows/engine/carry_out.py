"""What a run folder lacks, handed to workers: fine-tunings, shards, retrainings, timings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from rich.console import Console

from ..progress import Meter, meter
from .plan import Shard
from .resources import Resources
from .roar import RoarWorker
from .shard_worker import ShardWorker
from .timings import TimingWorker
from .todo import Todo
from .tuning import TuningWorker
from .ways import find_ways
from .work import Dispatcher, Job

PIECES = 4


def carry_out(job: Job, todo: Todo, dispatcher: Dispatcher, console: Console) -> None:
    """Tune what scores, compute shards, then retrain, then time while nothing else runs.

    Before the shards it is measured how their copies go fastest, where that is asked for.
    """
    plan, timings = todo.plan, todo.timings
    with ExitStack() as connected:
        connected.enter_context(dispatcher.connected())
        if todo.tunings:
            with meter(console, len(todo.tunings), "fine-tuning", "jobs") as progress:
                for tuned in dispatcher.reports(TuningWorker, job, todo.tunings):
                    progress.advance(1, f"{tuned.job.subject} for {tuned.job.metric}")
        find_ways(job, [*plan.shards, *timings.shards], dispatcher)
        if plan.shards:
            with meter(console, plan.num_rows, job.benchmark.name) as progress:
                _shards(job, plan.shards, dispatcher, progress)
        if todo.jobs:
            with meter(console, len(todo.jobs), "remove and retrain", "jobs") as progress:
                for trained in dispatcher.reports(RoarWorker, job, todo.jobs):
                    done = trained.job
                    progress.advance(1, f"{done.explainer} without {done.fraction:.0%}")
        timer = dispatcher.for_timings()
        if timer.resources.num_workers == 0:
            connected.close()
        if timings.shards:
            with meter(console, timings.num_rows, "efficiency") as progress:
                for timed in timer.reports(TimingWorker, job, timings.shards):
                    progress.advance(timed.shard.num_rows, timed.shard.tasks[0].explainer)


def _shards(job: Job, shards: Sequence[Shard], dispatcher: Dispatcher, progress: Meter) -> None:
    """Compute shards; rows are counted as a worker of this process stores them, or by report."""
    told = 0

    def tell(rows: int, what: str) -> None:
        nonlocal told
        told += rows
        progress.advance(rows, what)

    resources = dispatcher.resources
    job = replace(job, time_limit=resources.task_timeout, tell=tell)
    for report in dispatcher.reports(ShardWorker, job, spread(shards, resources)):
        if report.shard.num_rows > told:
            progress.advance(report.shard.num_rows - told, str(report.shard.subject))
        told = 0


def spread(shards: Sequence[Shard], resources: Resources) -> Sequence[Shard]:
    """Return shards, by groups of their methods where there are few for so many workers.

    Each worker then has about `PIECES` to do, so that none is idle for long and progress is seen.
    Groups repeat the passes and superpixels that they would share, and nothing else changes.
    """
    count = -(-PIECES * (resources.num_workers or 0) // max(len(shards), 1))
    if count < 2:
        return shards
    return [part for shard in shards for part in shard.groups(count)]
