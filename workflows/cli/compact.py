"""The command `swagflow compact`: few large files of rows instead of many small ones."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

EXAMPLE = "Example: swagflow compact runs/full-benchmark"


def compact(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    masks: Annotated[
        bool, typer.Option("--masks/--no-masks", help="Of masks too, which are most of a run.")
    ] = True,
) -> None:
    """Make large files of a run's many small ones, which are read faster; the rows are the same.

    It may be ended at any time and begun again; a run can be resumed and grow afterwards.
    """
    compact_run(run, Console(), masks=masks)


def compact_run(uri: str, console: Console, *, masks: bool = True) -> None:
    """Compact a run folder and tell what came of it."""
    from ..progress import meter
    from ..store.compaction import compact as compact_folder
    from ..store.lock import one_driver
    from ..store.parts import by_cell
    from ..store.run_folder import Store

    store = Store(uri, begun=True)
    store.read_benchmark()
    with one_driver(store.folder, uri, console):
        described = store.read_benchmark()
        store.folder.remove_temporaries()
        with meter(console, len(by_cell(store.parts())), "compact", "cells") as progress:
            done = compact_folder(
                store, described, masks=masks, tell=lambda cell: progress.advance(1, cell)
            )
    console.print(
        f"{done.before:,} files of rows are {done.after:,} now."
        if done.before
        else "Nothing to compact: no two small files of rows follow each other.",
        highlight=False,
    )
