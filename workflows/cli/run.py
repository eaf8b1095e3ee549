"""The command `swagflow run`: compute what is missing, then report."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from ..progress import duration
from .guard import end_without_cluster
from .missing import say_missing
from .options import (
    Address,
    BenchmarkName,
    Compact,
    Config,
    Device,
    Only,
    RetryErrors,
    RunDir,
    Set,
    TaskTimeout,
    Workers,
)
from .where import lasting, resources_for

if TYPE_CHECKING:
    from ..config.benchmark import Benchmark
    from ..engine.work import Dispatcher

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
    compact: Compact = True,
) -> None:
    """Compute what the run folder lacks, then write tables, figures and report.

    Run it again after any interruption: what is stored is kept, and the result is the same.
    """
    from .checked import checked

    console = Console(stderr=True)
    raw = checked(config or benchmark, set_, only)
    uri = lasting(run_dir or f"runs/{Path(benchmark).stem}")
    resources = resources_for(workers, address, device, console, task_timeout)
    from ..config.load import resolve
    from ..front.running import dispatcher_for

    dispatcher = dispatcher_for(resources, end_without_cluster)
    with nullcontext() if _seems_done(uri) else dispatcher.early():
        code = run_benchmark(
            resolve(raw),
            uri,
            dispatcher,
            retry_errors=retry_errors,
            compacted=compact,
            console=console,
        )
    raise typer.Exit(code)


def _seems_done(uri: str) -> bool:
    """Return whether a run folder has a whole report, after which there is seldom more to do."""
    from ..store.freshness import has_been_drawn
    from ..store.run_folder import Store

    return has_been_drawn(Store(uri))


def run_benchmark(
    benchmark: Benchmark,
    uri: str,
    dispatcher: Dispatcher,
    *,
    retry_errors: bool,
    console: Console,
    compacted: bool = True,
) -> int:
    """Compute, report and say what is missing; return the exit code."""
    from ..front.running import run_all

    start = time.monotonic()
    settled = run_all(
        benchmark, uri, dispatcher, console, retry_errors=retry_errors, compacted=compacted
    )
    console.print(
        f"Report: {uri.rstrip('/')}/report.html ({duration(time.monotonic() - start)})",
        soft_wrap=True,
        highlight=False,
    )
    return say_missing(settled, console)
