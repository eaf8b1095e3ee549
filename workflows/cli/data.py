"""The command `swagflow data check`: look over a data set and say what was found."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ..errors import printable
from ..progress import Meter, meter

if TYPE_CHECKING:
    from ..data.check import SplitReport

app = typer.Typer(help="Look after data sets.", no_args_is_help=True)


@app.command(epilog="Example: swagflow data check cub200 --root data/cub200")
def check(
    name: Annotated[str, typer.Argument(help="A data set; see 'swagflow list datasets'.")],
    root: Annotated[str, typer.Option("--root", help="Its folder or URI (s3://, gs://).")],
    split: Annotated[
        str | None,
        typer.Option("--split", help="train or validation.  [both; of imagenet, validation]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Pictures at a time.  [one per core]")
    ] = None,
) -> None:
    """Decode every picture of a data set and compare its counts with the official ones."""
    raise typer.Exit(check_data(name, root, split, threads, Console()))


def check_data(
    name: str, root: str, split: str | None, threads: int | None, console: Console
) -> int:
    """Print what is in a data set and what is wrong with it; return the exit code."""
    from ..data.check import check_dataset

    bars: list[Meter] = []
    with ExitStack() as stack:

        def show(_done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(meter(console, total, name, "images")))
            bars[0].advance(1, name)

        report = check_dataset(name, root, split=split, threads=threads, progress=show)
    console.print(escape(printable(f"{name} in {root}")), soft_wrap=True, highlight=False)
    for part in report.parts:
        console.print(f"  {_line(part)}", soft_wrap=True, highlight=False)
    if not report.problems:
        console.print("No problems found.")
        return 0
    console.print(f"[bold]{len(report.problems)} problems:[/]")
    for problem in report.problems:
        console.print(f"  {escape(printable(problem))}", soft_wrap=True, highlight=False)
    return 1


def _line(part: SplitReport) -> str:
    return (
        f"{part.split or 'all'}: {part.num_images:,} images of {part.num_classes:,} classes, "
        f"{part.num_boxed:,} with boxes, {part.num_masked:,} with a mask, "
        f"fingerprint {part.fingerprint[:12]}"
    )
