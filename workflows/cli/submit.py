"""The command `swagflow submit`: a benchmark as a job on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..logs import verbosity
from .options import BenchmarkName, Config, Device, Only, RetryErrors, Set, TaskTimeout, Workers

Detach = Annotated[
    bool, typer.Option("--detach", help="Return at once instead of following the log.")
]
EXAMPLE = (
    "Example: swagflow submit full-benchmark --address http://HEAD:8265 --run-dir s3://BUCKET/run"
)


def submit(
    benchmark: BenchmarkName,
    address: Annotated[
        str, typer.Option("--address", help="The head of the cluster, http://HEAD:8265.")
    ],
    run_dir: Annotated[
        str, typer.Option("--run-dir", help="Folder or URI that the whole cluster reaches.")
    ],
    config: Config = None,
    set_: Set = None,
    workers: Workers = None,
    device: Device = None,
    only: Only = None,
    retry_errors: RetryErrors = False,
    task_timeout: TaskTimeout = None,
    module: Annotated[
        list[Path] | None,
        typer.Option("--module", help="Folder of a package that the configuration names."),
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--env", help="NAME=VALUE for the run and its workers.")
    ] = None,
    detach: Detach = False,
) -> None:
    """Run a benchmark as a job on a Ray cluster, follow its log and exit with its code.

    Submitting the same run again resumes it.
    """
    from .checked import checked

    checked(config or benchmark, set_, only)  # before Ray is imported
    from ..on_ray import jobs, submission

    request = submission.Request(
        benchmark=benchmark,
        run_dir=run_dir,
        config=config,
        overrides=tuple(set_ or ()),
        only=tuple(only or ()),
        workers=workers,
        device=device,
        retry_errors=retry_errors,
        task_timeout=task_timeout,
        verbosity=verbosity(),
        modules=tuple(module or ()),
        environment=submission.parse_environment(environment or []),
    )
    raise typer.Exit(jobs.submit(request, address, Console(), detach=detach))
