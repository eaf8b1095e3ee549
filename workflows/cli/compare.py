"""The command `swagflow compare`: what differs between runs, on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..errors import EXIT_MISSING_ROWS, UserError
from .missing import say_damaged

if TYPE_CHECKING:
    from ..report.compare import RunComparison

EXAMPLE = "Example: swagflow compare runs/before runs/after --bound 0.01 --bound insertion=0.02"
SHOWN = 20


def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN_A RUN_B ...", help="Folders or URIs of runs.")
    ],
    bound: Annotated[
        list[str] | None,
        typer.Option(
            "--bound",
            metavar="[METRIC=]NUMBER",
            help="Exit with 1 where a mean moved by more; may be given many times.",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", help="Folder or URI of the page and its tables.")
    ] = "comparison",
) -> None:
    """Pair the images of runs with those of the first: differences, intervals, tests, settings."""
    raise typer.Exit(compare_folders(runs, bound or [], out, Console()))


def compare_folders(uris: Sequence[str], bound: Sequence[str], out: str, console: Console) -> int:
    """Write the comparison and print what moved; return the exit code."""
    from ..page.compare_page import comparison_files
    from ..report.compare import Bounds, bounded, compare_runs, metrics_of
    from ..report.source import Run
    from ..store.files import Folder
    from ..store.run_folder import Store

    if not 2 <= len(uris) <= len(ascii_uppercase):
        raise UserError(f"compare needs 2 to {len(ascii_uppercase)} run folders, got {len(uris)}")
    stores = [Store(uri) for uri in uris]
    runs = [Run(store) for store in stores]
    metrics = dict.fromkeys(name for run in runs for name in metrics_of(run))
    bounds = Bounds.parse(bound, list(metrics))
    letters = ascii_uppercase[: len(runs)]
    found = [
        bounded(compare_runs(runs[0], run, letter), bounds)
        for letter, run in zip(letters[1:], runs[1:], strict=True)
    ]
    folder = Folder.at(out)
    files = comparison_files(list(zip(letters, uris, runs, strict=True)), found)
    for path, content in files.items():
        folder.write(path, content)
    code = max(_say(each, console) for each in found)
    console.print(f"{out.rstrip('/')}/comparison.html", soft_wrap=True, highlight=False)
    return max(code, *(say_damaged(store, console) for store in stores))


def _say(found: RunComparison, console: Console) -> int:
    """Print a run beside A; return the exit code."""
    from ..page.compare_page import said

    def tell(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    letter, changes = found.letter, found.changes
    moved = sum(change.difference != 0 for change in changes)
    tell(
        f"{letter} beside A: {len(changes)} means over the same images, {moved} of them moved; "
        f"{len(found.only)} in A only, {len(found.only_other)} in {letter} only; "
        f"{len(found.settings)} settings differ"
    )
    for name in found.other_images:
        tell(f"  data set {name}: the images are not the same, going by their fingerprints")
    for title, cells in (("A", found.only), (letter, found.only_other)):
        for cell in cells[:SHOWN]:
            tell(f"  in {title} only: {' '.join(filter(None, cell))}")
        if len(cells) > SHOWN:
            tell(f"  in {title} only: {len(cells) - SHOWN} more, see tables/unpaired.csv")
    lost = [change for change in changes if change.n_only]
    if lost:
        most = max(change.n_only for change in lost)
        tell(f"  {len(lost)} means lack images of A that have no value in {letter}, {most} at most")
    beyond = [change for change in changes if change.beyond]
    for change in beyond:
        where = " ".join(filter(None, change.cell))
        tell(f"  moved beyond {change.bound:g}: {where}: {said(change)}")
    return EXIT_MISSING_ROWS if beyond else 0
