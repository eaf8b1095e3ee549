"""The command `swagflow run`: compute what is missing, then report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from ..errors import StorageError
from ..progress import duration
from .drawing import draw, forget_damaged
from .missing import say_missing
from .options import (
    Address,
    BenchmarkName,
    Config,
    Device,
    Only,
    RetryErrors,
    RunDir,
    Set,
    TaskTimeout,
    Workers,
)
from .where import dispatcher_for, lasting, resources_for

if TYPE_CHECKING:
    from ..config.benchmark import Benchmark
    from ..engine.resources import Resources

MOST_REPAIRS = 2
EXAMPLE = "Example: swagflow run full-benchmark --set datasets.digit_scenes.images=32"


def run(
    benchmark: BenchmarkName,
    config: Config = None,
    run_dir: RunDir = None,
    set_: Set = None,
    workers: Workers = None,
    address: Address = None,
    device: Device = None,
    only: Only = None,
    retry_errors: RetryErrors = False,
    task_timeout: TaskTimeout = None,
) -> None:
    """Compute what the run folder lacks, then write tables, figures and report.

    Run it again after any interruption: what is stored is kept, and the result is the same.
    """
    from ..config.load import load_benchmark

    console = Console(stderr=True)
    raise typer.Exit(
        run_benchmark(
            load_benchmark(config or benchmark, set_ or [], only or []),
            lasting(run_dir or f"runs/{Path(benchmark).stem}"),
            resources_for(workers, address, device, console, task_timeout),
            retry_errors=retry_errors,
            console=console,
        )
    )


def run_benchmark(
    benchmark: Benchmark,
    uri: str,
    resources: Resources,
    *,
    retry_errors: bool,
    console: Console,
) -> int:
    """Compute, report and say what is missing; return the exit code."""
    from ..engine.compute import compute
    from ..engine.opening import open_benchmark
    from ..store.run_folder import Store

    start = time.monotonic()
    dispatcher = dispatcher_for(resources)
    store = Store(uri)
    opened = open_benchmark(benchmark)
    for note in opened.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    for repair in range(MOST_REPAIRS + 1):
        compute(opened, store, dispatcher, console, retry_errors=retry_errors and not repair)
        settled, written = draw(store, opened.datasets.get, anew=False)
        if written:
            console.print(f"{len(written)} files written.", highlight=False)
        if not store.damaged:
            break
        forget_damaged(store, console)
    else:
        raise StorageError(
            f"the run folder {uri!r} gives back other bytes than were written, again and again; "
            "look at its storage"
        )
    console.print(
        f"Report: {uri.rstrip('/')}/report.html ({duration(time.monotonic() - start)})",
        soft_wrap=True,
        highlight=False,
    )
    return say_missing(settled, console)
