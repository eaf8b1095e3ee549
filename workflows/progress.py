"""Progress of a run: a live bar with rate and ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_BETWEEN_LINES = 10.0


class Meter(Protocol):
    """Counts what is stored."""

    def advance(self, rows: int, note: str) -> None:
        """Add to the count, or with 0 only tell that work goes on; `note` says on what."""


@contextmanager
def meter(console: Console, total: int, what: str, unit: str = "rows") -> Iterator[Meter]:
    """Show the way to `total` rows, or other units, inside the block."""
    if not console.is_terminal:
        yield _Lines(console, total, what, unit)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + ", {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(*columns, console=console, speed_estimate_period=300) as progress:
        yield _Bar(progress, total, what)


class _Bar:
    def __init__(self, progress: Progress, total: int, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total, rate="")
        self._start = time.monotonic()
        self._done = 0

    def advance(self, rows: int, note: str) -> None:
        self._done += rows
        rate = self._done / max(time.monotonic() - self._start, 1e-9)
        self._progress.update(self._task, advance=rows, rate=f"{rate:.3g}/s", description=note)


class _Lines:
    def __init__(self, console: Console, total: int, what: str, unit: str) -> None:
        self._unit = unit
        self._console = console
        self._total = total
        self._what = what
        self._start = self._last = time.monotonic()
        self._done = 0

    def advance(self, rows: int, note: str) -> None:
        self._done += rows
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES and self._done < self._total:
            return
        self._last = now
        rate = self._done / max(now - self._start, 1e-9)
        left = (self._total - self._done) / max(rate, 1e-9)
        self._console.print(
            f"{self._what}: {self._done} of {self._total} {self._unit}, {rate:.3g}/s, "
            f"ETA {duration(left) if self._done else 'unknown'} ({note})",
            soft_wrap=True,
        )


def duration(seconds: float) -> str:
    """Return a time span as people write it: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
