"""The command `swagflow table`: one table of a run, as it goes into a paper or a program."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer
from rich.console import Console

from .missing import say_damaged

EXAMPLE = "Example: swagflow table runs/full-benchmark table1_deletion --format latex"


def table(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    name: Annotated[
        str, typer.Argument(help="Of a file in tables/, without its ending; a wrong one lists all.")
    ],
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["latex", "markdown", "csv", "json"],
        typer.Option("--format", help="latex needs the package booktabs."),
    ] = "markdown",
    intervals: Annotated[
        bool,
        typer.Option("--intervals/--no-intervals", help="Beside means, in LaTeX and Markdown."),
    ] = True,
) -> None:
    """Print one table from stored rows; only what it needs is computed, nothing is written."""
    from ..report.sheets import find_sheet
    from ..report.source import Run
    from ..store.failures import ReadOnce
    from ..store.run_folder import Store

    store = ReadOnce(Store(run))
    sheet = find_sheet(Run(store), name)
    sys.stdout.write(sheet.encoded(format, intervals=intervals).decode())
    raise typer.Exit(say_damaged(store, Console(stderr=True)))
