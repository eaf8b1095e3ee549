"""What a run folder lacks of a benchmark: shards, timings, and models to fine-tune and retrain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..store.run_folder import Store
from .opening import Opened
from .plan import Plan, make_plan
from .roar_jobs import RoarJob, jobs_of, missing_jobs
from .timings import plan_timings
from .tuning_jobs import TuningJob, missing_tunings


@dataclass(frozen=True)
class Todo:
    """What a store lacks of a benchmark."""

    plan: Plan
    timings: Plan
    jobs: Sequence[RoarJob]
    tunings: Sequence[TuningJob]
    """Of the models that score, before the shards are computed."""
    replaced: Sequence[str] = ()
    """Results of jobs that others have replaced."""

    def __bool__(self) -> bool:
        return bool(self.plan.shards or self.timings.shards or self.jobs)


def todo_of(opened: Opened, store: Store) -> Todo:
    """Return what a store lacks; nothing but names of files is looked at."""
    parts = store.parts()
    jobs, replaced = missing_jobs(jobs_of(opened.described), store)
    plan = make_plan(opened.described, opened.image_ids, parts)
    cells = [cell for shard in plan.shards for task in shard.tasks for _, cell in task.metrics]
    return Todo(
        plan,
        plan_timings(opened.described, opened.image_ids, parts),
        jobs,
        missing_tunings(cells, store),
        replaced,
    )
