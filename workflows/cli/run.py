"""The command `swagflow run`: compute what is missing, then report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from ..progress import duration
from .garbage import importing
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
    from ..engine.resources import Resources

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
    from .checked import checked_benchmark

    console = Console(stderr=True)
    raise typer.Exit(
        run_benchmark(
            checked_benchmark(config or benchmark, set_, only),
            lasting(run_dir or f"runs/{Path(benchmark).stem}"),
            resources_for(workers, address, device, console, task_timeout),
            retry_errors=retry_errors,
            compacted=compact,
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
    compacted: bool = True,
) -> int:
    """Compute, report and say what is missing; return the exit code."""
    with importing("pandas"):
        from ..front.running import dispatcher_for, run_all

    start = time.monotonic()
    dispatcher = dispatcher_for(resources, end_without_cluster)
    settled = run_all(
        benchmark, uri, dispatcher, console, retry_errors=retry_errors, compacted=compacted
    )
    console.print(
        f"Report: {uri.rstrip('/')}/report.html ({duration(time.monotonic() - start)})",
        soft_wrap=True,
        highlight=False,
    )
    return say_missing(settled, console)
