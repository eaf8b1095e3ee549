"""Environment of processes on Ray. Libraries read it as they are imported, so this imports none."""

from __future__ import annotations

PATIENT = {"OMP_WAIT_POLICY": "passive"}
"""Idle OpenMP threads sleep, so that a process does not slow its neighbours down."""


def of_worker(threads: int) -> dict[str, str]:
    """Return the variables of a worker's process."""
    return {**PATIENT, "OMP_NUM_THREADS": str(threads)}
