"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .. import logs
from . import names


def _show_log(verbosity: int) -> int:
    logs.setup(verbosity, Console(stderr=True))
    return verbosity


Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        callback=_show_log,
        help="Before the command: log what begins and ends; -vv logs everything.",
    ),
]


def beginning_with(what: str) -> Callable[[str], list[str]]:
    """Return what a shell completes with the names of a list that begin as what was typed."""
    return lambda incomplete: [
        entry.name for entry in names.LISTS[what]() if entry.name.startswith(incomplete)
    ]


BenchmarkName = Annotated[
    str,
    typer.Argument(
        help="A benchmark of the package; see 'swagflow list benchmarks'.",
        autocompletion=beginning_with("benchmarks"),
    ),
]
Config = Annotated[
    str | None,
    typer.Option("--config", help="A YAML file, or a name, to use instead of the benchmark's own."),
]
RunDir = Annotated[
    str | None,
    typer.Option("--run-dir", help="Folder or URI (s3://, gs://) of the run.  [runs/BENCHMARK]"),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value over the configuration; may be given many times."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="Processes; 0 runs in this one.  [one per GPU, else per core]"),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="cpu or cuda.  [cuda where this machine has a GPU]"),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", help="One experiment, such as table1; may be given many times."),
]
RetryErrors = Annotated[
    bool, typer.Option("--retry-errors", help="Compute rows again that have an error.")
]
Compact = Annotated[
    bool,
    typer.Option(
        "--compact/--no-compact",
        help="Make large files of many small ones of scores in the end, as 'compact' does.",
    ),
]
TaskTimeout = Annotated[
    float | None,
    typer.Option(
        "--task-timeout",
        metavar="SECONDS",
        help="End a worker whose shard takes longer, try the shard's methods one by one, each as "
        "long, and store an error for the one that hangs.  [no limit]",
    ),
]
Address = Annotated[str | None, typer.Option("--address", help="A running Ray cluster.")]
AssumeData = Annotated[
    bool,
    typer.Option(
        "--assume-data",
        help="Official numbers of images where a data set is missing; weights are not needed, "
        "and nothing counts as stored.",
    ),
]
ThroughputFile = Annotated[
    Path | None,
    typer.Option("--throughput", help="A saved measurement, as of another machine."),
]
SaveThroughput = Annotated[
    Path | None, typer.Option("--save-throughput", help="Where to save the measurement.")
]
PricePerHour = Annotated[
    float | None, typer.Option("--price-per-hour", min=0.0, help="Of a worker.")
]
ImagesPerSecond = Annotated[
    list[str] | None,
    typer.Option(
        "--images-per-second",
        metavar="MODEL=NUMBER",
        help="Forward passes on the hardware planned for, where that is not this machine; a "
        "model's other passes follow, the rest is measured here.",
    ),
]
