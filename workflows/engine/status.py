"""How far a run folder is: what its own description wants, minus what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..store.described import Described
from ..store.parts import CellName, Part
from ..store.run_folder import Store
from .plan import CellState, cell_states, timing_states
from .roar_jobs import RoarJob, jobs_of, missing_jobs
from .tuning_jobs import TuningJob, missing_tunings


@dataclass(frozen=True)
class Status:
    """What of a run folder is there and what is missing."""

    described: Described
    cells: Sequence[CellState]
    """Masks, scores and timings, in the benchmark's order."""
    jobs: Sequence[RoarJob]
    missing_jobs: Sequence[RoarJob]
    missing_tunings: Sequence[TuningJob]
    """Of models that are to score what is missing."""

    @property
    def unfinished(self) -> list[CellState]:
        return [state for state in self.cells if state.num_held < state.num_wanted]

    @property
    def is_complete(self) -> bool:
        return not self.unfinished and not self.missing_jobs


def status_of(store: Store) -> Status:
    """Return how far a run is; nothing but names of files is looked at.

    Raises:
        UserError: the folder holds no run.
    """
    parts = store.parts()
    described = _counted(store.read_benchmark(), parts)
    states: dict[CellName, CellState] = {
        **cell_states(described, parts),
        **timing_states(described, parts),
    }
    jobs = jobs_of(described)
    missing, _ = missing_jobs(jobs, store)
    status = Status(described, list(states.values()), jobs, missing, ())
    cells = [state.cell for state in status.unfinished]
    return replace(status, missing_tunings=missing_tunings(cells, store))


def _counted(described: Described, parts: Sequence[Part]) -> Described:
    """Return a description of version 0.1 with as many images as the fullest cell of each set."""
    held = dict.fromkeys(described.datasets, 0)
    for part in parts:
        if part.cell.dataset in held:
            held[part.cell.dataset] = max(held[part.cell.dataset], part.last + 1)
    return replace(described, num_images={**held, **described.num_images})
