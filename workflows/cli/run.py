"""The command `swagflow run`: compute what is missing, then report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from ..errors import StorageError
from ..progress import duration
from .missing import say_missing
from .options import Address, BenchmarkName, Config, Device, Only, RetryErrors, RunDir, Set, Workers
from .where import resources_for

if TYPE_CHECKING:
    from ..config.benchmark import Benchmark
    from ..engine.opening import Opened
    from ..engine.resources import Resources
    from ..engine.work import Dispatcher
    from ..store.run_folder import Store

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
    from ..store.run_folder import Store

    start = time.monotonic()
    dispatcher = _dispatcher(resources)
    store = Store(uri)
    opened = open_benchmark(benchmark)
    for _ in range(MOST_REPAIRS + 1):
        compute(opened, store, resources, console, dispatcher=dispatcher, retry_errors=retry_errors)
        settled = _draw(opened, store, console)
        if not store.damaged:
            break
        _forget_damaged(store, console)
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


def _draw(opened: Opened, store: Store, console: Console) -> Store:
    """Write the report where it does not show what the folder holds; return the rows once read."""
    from ..report import build_report
    from ..store.failures import Kept, failed_rows
    from ..store.freshness import is_drawn, mark_drawn, rows_key

    settled, key = Kept(store), rows_key(store)
    failed_rows(settled)  # reads every score, and so finds what is damaged
    if not (store.damaged or is_drawn(store)):
        written = build_report(settled, open_datasets=opened.datasets.get)
        if not store.damaged:  # among the masks of the gallery
            mark_drawn(store, key)
        console.print(f"{len(written)} files written.", highlight=False)
    return settled


def _forget_damaged(store: Store, console: Console) -> None:
    """Name the damaged files and delete them, so that they are planned again."""
    console.print(f"[bold]{len(store.damaged)} damaged files[/] are computed again:")
    for problem in store.damaged.values():
        console.print(f"  {escape(problem)}", soft_wrap=True, highlight=False)
    store.folder.delete_all(store.damaged)
    store.damaged.clear()


def _dispatcher(resources: Resources) -> Dispatcher:
    if resources.num_workers == 0:
        from ..engine.work import IN_PROCESS

        return IN_PROCESS
    from ..on_ray.runner import OnRay

    return OnRay()
