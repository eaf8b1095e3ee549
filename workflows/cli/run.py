"""The command `swagflow run`: compute what is missing, then report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from ..progress import duration
from .missing import say_missing
from .options import Address, BenchmarkName, Config, Device, Only, RetryErrors, RunDir, Set, Workers
from .where import resources_for

if TYPE_CHECKING:
    from ..config.benchmark import Benchmark
    from ..engine.resources import Resources
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
) -> None:
    """Compute what the run folder lacks, then write tables, figures and report.

    Run it again after any interruption: what is stored is kept, and the result is the same.
    """
    from ..config.load import load_benchmark

    console = Console(stderr=True)
    raise typer.Exit(
        run_benchmark(
            load_benchmark(config or benchmark, set_ or [], only or []),
            run_dir or f"runs/{Path(benchmark).stem}",
            resources_for(workers, address, device, console),
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
    from ..report import build_report
    from ..store.failures import Kept
    from ..store.run_folder import Store

    start = time.monotonic()
    dispatcher = _dispatcher(resources)
    store = Store(uri)
    opened = open_benchmark(benchmark)
    computed = compute(
        opened, store, resources, console, dispatcher=dispatcher, retry_errors=retry_errors
    )
    store = Kept(store)
    if computed or not store.folder.exists("report.html"):
        written = build_report(store, open_datasets=opened.datasets.get)
        console.print(f"{len(written)} files written.", highlight=False)
    console.print(
        f"Report: {uri.rstrip('/')}/report.html ({duration(time.monotonic() - start)})",
        soft_wrap=True,
        highlight=False,
    )
    return say_missing(store, console)


def _dispatcher(resources: Resources) -> Dispatcher:
    if resources.num_workers == 0:
        from ..engine.work import IN_PROCESS

        return IN_PROCESS
    from ..on_ray.runner import OnRay

    return OnRay()
