"""How `benchmarks.gpu` times one thing, and what its time is held against."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch

from benchmarks.measure import Passes, Task, measured
from swag.denormals import flushed
from swag.forwards import Precision

Row = dict[str, Any]
FAULTS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError,
          TypeError, ValueError)  # fmt: skip
"""What a method may raise on a device that its authors have not tried."""


@dataclass(frozen=True)
class Job:
    """Something to time, and the passes that it demands of an image."""

    library: str
    name: str
    images: int
    run: Callable[[], object]
    shared: Passes = Passes()
    """In float32: classification and gradients."""
    copies: int = 0
    """Forward passes of perturbed copies, in `precision`."""
    precision: Precision = "float32"

    @property
    def demanded(self) -> str:
        return str(Passes(self.shared.forward + self.copies, self.shared.backward))


@dataclass
class Session:
    """How things are timed, and what has come of it."""

    device: torch.device
    repeats: int
    ends: float
    """By `time.monotonic`."""
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()

    def for_share(self, sections: int) -> Session:
        """Return one that ends when the first of some sections has had its share of the rest."""
        return replace(self, ends=time.monotonic() + max(self.left, 0) / sections)

    def timed(self, job: Job) -> Row:
        """Return a job's time of an image, after a round that does not count, or why it failed."""
        row = {
            "library": job.library, "method": job.name, "precision": job.precision,
            "demanded": job.demanded, "images": job.images,
        }  # fmt: skip
        task = Task(job.name, job.shared, job.run, job.images)
        on_gpu = self.device.type == "cuda"
        try:
            if on_gpu:
                torch.cuda.reset_peak_memory_stats(self.device)
            with flushed():
                job.run()
                taken = [measured(task, self.device) for _ in range(self.repeats)]
        except FAULTS as error:
            return row | {"failed": reason(error)}
        seconds = median(each.clock if on_gpu else each.processor for each in taken) / job.images
        row |= {"milliseconds": 1000 * seconds, "images_per_second": 1 / seconds}
        if on_gpu:
            row["peak_gib"] = torch.cuda.max_memory_allocated(self.device) / 2**30
        return row


def reason(error: Exception) -> str:
    """Return why something failed in a few words; frees what the failure has left on a GPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return "out of memory"
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


@dataclass
class Unit:
    """Seconds of a model's passes of an image, each at its best batch size."""

    forward: dict[str, float] = field(default_factory=dict)
    """By precision."""
    both: float = float("inf")
    """Forward and backward, in float32."""

    def add(self, job: Job, row: Row) -> None:
        seconds = row.get("milliseconds", float("inf")) / 1000
        if job.shared.backward:
            self.both = min(self.both, seconds)
        else:
            before = self.forward.get(job.precision, float("inf"))
            self.forward[job.precision] = min(before, seconds)

    def efficiency(self, job: Job, row: Row) -> float | None:
        """Return a job's; None where it demands nothing, or something was not measured."""
        alone = self.forward.get("float32", float("inf"))
        needed = [(job.shared.forward, alone), (job.shared.backward, self.both - alone),
                  (job.copies, self.forward.get(job.precision, float("inf")))]  # fmt: skip
        floor = sum(count * seconds for count, seconds in needed if count)
        if not 0 < floor < float("inf") or "milliseconds" not in row:
            return None
        return floor / (row["milliseconds"] / 1000)
