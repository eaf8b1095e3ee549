"""What Ray tells of work that was lost."""

from __future__ import annotations

import re

from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from ..store.tracebacks import OUT_OF_MEMORY, Failure, one_line

EXIT = "Worker exit type: "
"""Where Ray's account of a death comes to the point."""
SHORT_OF_MEMORY = f"its machine was short of memory and Ray ended it ({OUT_OF_MEMORY})"
MEMORY_LINES = 2
"""What Ray tells of the machine's memory; then come its own, and whatever else runs there."""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def failure_of_death(error: RayError, tries: int) -> Failure:
    """Return what is known of workers that are gone: no traceback, but how a process ended."""
    manner = manner_of(error)
    told = str(error).strip()
    if isinstance(error, OutOfMemoryError):
        told = "\n".join(told.splitlines()[:MEMORY_LINES])
    text = (
        f"{told}\n\nWhat the worker printed last is on its machine in the log files "
        "of Ray's session (logs/worker-*-PID.err).\n"
    )
    # Numbers are of processes and addresses.
    kind = f"death: {type(error).__name__} {re.sub('[0-9]+', '', manner)}"
    return Failure.told(f"its worker died {tries} times: {manner}", kind, text)


def failure_of_delay(limit: float) -> Failure:
    """Return what is known of work that was ended because it took too long."""
    line = f"it took longer than the {limit:g} s that --task-timeout allows"
    return Failure.told(line, "delay", f"{line}; its worker was ended.\n")


def manner_of(error: RayError) -> str:
    """Return how Ray says that a process ended."""
    if isinstance(error, OutOfMemoryError):
        return SHORT_OF_MEMORY
    _, _, manner = str(error).strip().rpartition(EXIT)
    return one_line(manner.replace("Worker exit detail: ", ""))


def failure_of_task(error: RayTaskError) -> Failure:
    """Return what went wrong around a piece of work, such as sending its report."""
    told = ANSI.sub("", str(error))
    return Failure.told(last_line(error), f"task: {type(error.cause).__name__}", told)


def last_line(error: Exception) -> str:
    """Return the cause of an error, or the end of what Ray tells of it."""
    if isinstance(error, OutOfMemoryError):
        return SHORT_OF_MEMORY
    cause = getattr(error, "cause", None)
    return f"{type(cause).__name__}: {cause}" if cause else str(error).strip().splitlines()[-1]
