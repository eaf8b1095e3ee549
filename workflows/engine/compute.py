"""Compute what a run folder lacks of a benchmark."""

from __future__ import annotations

import logging
from dataclasses import asdict

import torch
from rich.console import Console

from ..errors import as_user_error
from ..store.compaction import compact
from ..store.failures import forget_errors
from ..store.lock import one_driver
from ..store.run_folder import Store
from .carry_out import carry_out
from .joining import reconcile
from .opening import Opened
from .provenance import provenance
from .resources import Resources
from .todo import Todo, todo_of
from .work import Dispatcher, Job

MANY_PARTS = 64
"""Of a cell, of which it pays to make one; masks take long and wait until `swagflow compact`."""

log = logging.getLogger(__name__)


def compute(
    opened: Opened,
    store: Store,
    dispatcher: Dispatcher,
    console: Console,
    *,
    retry_errors: bool = False,
    compacted: bool = True,
) -> bool:
    """Compute what the store lacks; return whether there was anything.

    Args:
        compacted: whether small parts of scores become large ones in the end, where there are many.

    Raises:
        UserError: the folder holds something else; nothing in it has been touched then.
    """
    with as_user_error():
        opened.benchmark.copies.check_device(torch.device(dispatcher.resources.device))
    reconcile(store, opened.described)
    with one_driver(store.folder, store.uri, console):
        description = reconcile(store, opened.described)
        store.folder.remove_temporaries()
        store.forget_damaged_copies()
        if retry_errors:
            forget_errors(store, opened.described)
        todo = todo_of(opened, store)
        log.info(
            "%s: %d fine-tunings, %d shards, %d timings and %d retrainings to do; outdated files: "
            "%d, %d and %d",
            *(store.uri, len(todo.tunings)),
            *(len(todo.plan.shards), len(todo.timings.shards), len(todo.jobs)),
            *(len(todo.plan.outdated), len(todo.timings.outdated), len(todo.replaced)),
        )
        store.write_benchmark(description)
        store.folder.delete_all((*todo.plan.outdated, *todo.timings.outdated, *todo.replaced))
        if todo or not store.read_provenance():
            resources = asdict(dispatcher.resources)
            copies = opened.benchmark.copies
            store.write_provenance(provenance(opened.described.subjects, resources, copies))
        if not todo:
            console.print("Nothing to compute: the run folder holds every row.")
            return False
        console.print(_announcement(todo, dispatcher.resources), soft_wrap=True)
        carry_out(Job(opened.benchmark, store.uri), todo, dispatcher, console)
        if compacted:
            done = compact(store, opened.described, masks=False, at_least=MANY_PARTS)
            log.info("%s: %d parts of scores are %d now", store.uri, done.before, done.after)
    return True


def _announcement(todo: Todo, resources: Resources) -> str:
    plan, timings, jobs = todo.plan, todo.timings, todo.jobs
    held = plan.num_rows_wanted - plan.num_rows
    parts = [f"{plan.num_rows} rows to compute in {len(plan.shards)} shards"] if plan.shards else []
    parts += [f"{held} rows held already"] if held else []
    parts += [f"{len(todo.tunings)} models to fine-tune"] if todo.tunings else []
    parts += [f"{len(jobs)} models to retrain"] if jobs else []
    parts += [f"{len(timings.shards)} methods to time"] if timings.shards else []
    return f"{', '.join(parts)}; {resources}"
