"""The command `swagflow check`: whether every file of a run folder holds what was written."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from ..errors import EXIT_MISSING_ROWS

EXAMPLE = "Example: swagflow check runs/full-benchmark"


def check(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    delete: Annotated[
        bool,
        typer.Option("--delete", help="Delete damaged files, so that 'run' computes them again."),
    ] = False,
) -> None:
    """Read every mask, score and training of a run and name the files that are damaged."""
    raise typer.Exit(check_run(run, Console(), delete=delete))


def check_run(uri: str, console: Console, *, delete: bool = False) -> int:
    """Print what is damaged in a run folder; return the exit code."""
    from ..store.compaction import Compactor
    from ..store.run_folder import PROVENANCE, Store

    store = Store(uri)
    described = store.read_benchmark()
    checked = 0
    problems: list[str] = []
    for _, problem in store.verify():
        checked += 1
        problems += [problem] if problem else []
    store.read_provenance()
    problems += [store.damaged[PROVENANCE]] if PROVENANCE in store.damaged else []
    for problem in problems:
        console.print(problem, soft_wrap=True, highlight=False, markup=False)
    files = f"{checked:,} files of rows"
    if not problems:
        console.print(f"{files}, all of them whole.", highlight=False)
        return 0
    cure = "they can be deleted with --delete, and 'swagflow run' computes them again"
    if delete:
        compactor = Compactor(store, described)
        for path in store.damaged:
            compactor.forget(path)
        cure = "what is damaged of rows is deleted, and 'swagflow run' computes them again"
    console.print(f"{files}, {len(problems):,} damaged; {cure}", soft_wrap=True, highlight=False)
    return EXIT_MISSING_ROWS
