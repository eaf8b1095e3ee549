"""What a run folder lacks, handed to workers: fine-tunings, shards, retrainings, timings."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from rich.console import Console

from ..progress import meter
from .roar import RoarWorker
from .shard_worker import ShardWorker
from .timings import TimingWorker
from .todo import Todo
from .tuning import TuningWorker
from .work import Dispatcher, Job


def carry_out(job: Job, todo: Todo, dispatcher: Dispatcher, console: Console) -> None:
    """Tune what scores, compute shards, then retrain, then time while nothing else runs."""
    plan, timings = todo.plan, todo.timings
    with ExitStack() as connected:
        connected.enter_context(dispatcher.connected())
        if todo.tunings:
            with meter(console, len(todo.tunings), "fine-tuning", "jobs") as progress:
                for tuned in dispatcher.reports(TuningWorker, job, todo.tunings):
                    progress.advance(1, f"{tuned.job.subject} for {tuned.job.metric}")
        if plan.shards:
            with meter(console, plan.num_rows, job.benchmark.name) as progress:
                limited = replace(job, time_limit=dispatcher.resources.task_timeout)
                for report in dispatcher.reports(ShardWorker, limited, plan.shards):
                    progress.advance(report.shard.num_rows, str(report.shard.subject))
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
