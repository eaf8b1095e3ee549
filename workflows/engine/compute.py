"""Compute what a run folder lacks of a benchmark."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import asdict, replace

from rich.console import Console

from ..config.benchmark import Benchmark
from ..progress import meter
from ..store.failures import forget_errors
from ..store.lock import one_driver
from ..store.run_folder import Store
from .joining import reconcile
from .opening import Opened
from .provenance import provenance
from .resources import Resources
from .roar import RoarWorker
from .shard_worker import ShardWorker
from .timings import TimingWorker
from .todo import Todo, todo_of
from .work import IN_PROCESS, Dispatcher

log = logging.getLogger(__name__)


def compute(
    opened: Opened,
    store: Store,
    resources: Resources,
    console: Console,
    *,
    dispatcher: Dispatcher = IN_PROCESS,
    retry_errors: bool = False,
) -> bool:
    """Compute what the store lacks; return whether there was anything.

    Args:
        dispatcher: hands the work to workers; without one, all of it is done in this process.

    Raises:
        UserError: the folder holds something else; nothing in it has been touched then.
    """
    reconcile(store, opened.described)
    with one_driver(store.folder, store.uri, console):
        description = reconcile(store, opened.described)
        store.folder.remove_temporaries()
        if retry_errors:
            forget_errors(store)
        todo = todo_of(opened, store)
        log.info(
            "%s: %d shards, %d timings and %d retrainings to do; outdated files: %d, %d and %d",
            store.uri,
            *(len(todo.plan.shards), len(todo.timings.shards), len(todo.jobs)),
            *(len(todo.plan.outdated), len(todo.timings.outdated), len(todo.replaced)),
        )
        store.write_benchmark(description)
        store.folder.delete_all((*todo.plan.outdated, *todo.timings.outdated, *todo.replaced))
        if not todo:
            console.print("Nothing to compute: the run folder holds every row.")
            return False
        console.print(_announcement(todo, resources), soft_wrap=True)
        store.write_provenance(provenance(opened.described.subjects, asdict(resources)))
        _carry_out((opened.benchmark, store.uri), todo, (dispatcher, resources), console)
    return True


def _carry_out(
    about: tuple[Benchmark, str],
    todo: Todo,
    means: tuple[Dispatcher, Resources],
    console: Console,
) -> None:
    """Compute a plan's shards, then train, then time while nothing else runs."""
    plan, timings, jobs = todo.plan, todo.timings, todo.jobs
    dispatcher, resources = means
    # Times are taken where the device is, which the head of a cluster need not have.
    here = resources.address is None
    timer = IN_PROCESS if here else dispatcher
    with ExitStack() as connected:
        connected.enter_context(dispatcher.connected(resources))
        if plan.shards:
            with meter(console, plan.num_rows, about[0].name) as progress:
                for report in dispatcher.reports(ShardWorker, about, plan.shards, resources):
                    shard = report.shard
                    progress.advance(shard.num_rows, str(shard.subject))
        if jobs:
            with meter(console, len(jobs), "remove and retrain", "jobs") as progress:
                for trained in dispatcher.reports(RoarWorker, about, jobs, resources):
                    job = trained.job
                    progress.advance(1, f"{job.explainer} without {job.fraction:.0%}")
        if here:
            connected.close()
        if timings.shards:
            with meter(console, timings.num_rows, "efficiency") as progress:
                one = replace(resources, num_workers=0 if here else 1)
                for timed in timer.reports(TimingWorker, about, timings.shards, one):
                    progress.advance(timed.shard.num_rows, timed.shard.tasks[0].explainer)


def _announcement(todo: Todo, resources: Resources) -> str:
    plan, timings, jobs = todo.plan, todo.timings, todo.jobs
    held = plan.num_rows_wanted - plan.num_rows
    parts = [f"{plan.num_rows} rows to compute in {len(plan.shards)} shards"] if plan.shards else []
    parts += [f"{held} rows held already"] if held else []
    parts += [f"{len(jobs)} models to retrain"] if jobs else []
    parts += [f"{len(timings.shards)} methods to time"] if timings.shards else []
    return f"{', '.join(parts)}; {resources}"
