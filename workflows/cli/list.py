"""The command `swagflow list`: what there is, by name."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from ..errors import UserError
from . import names
from .garbage import uncollected

EXAMPLE = "Example: swagflow list explainers"


def list_names(
    what: Annotated[
        Literal[
            "explainers",
            "metrics",
            "segmenters",
            "fillings",
            "backgrounds",
            "models",
            "datasets",
            "benchmarks",
        ]
        | None,
        typer.Argument(help="Which list; all of them where left out."),
    ] = None,
    costs: Annotated[
        bool,
        typer.Option(
            "--costs",
            help="Of explainers and metrics: model passes of an image, and what they need of a "
            "model. Takes the seconds that importing PyTorch does.",
        ),
    ] = False,
) -> None:
    """List explainers, metrics and their parts, models, data sets and benchmarks."""
    console = Console()
    if not costs:
        show_list(what, console)
        return
    if what not in {None, "explainers", "metrics"}:
        raise UserError(
            f"list {what} --costs: explainers and metrics have costs; leave --costs out"
        )
    from .costs import cost_tables

    wide = Console(width=max(console.width, 110))  # a pipe's 80 would cut words off
    for table in cost_tables(what):
        wide.print(table)


def show_list(what: str | None, console: Console) -> None:
    """Print names, one a line, with what they are."""
    with uncollected():  # syntax trees are many objects
        _show_list(what, console)
        names.forget_sources()


def _show_list(what: str | None, console: Console) -> None:
    for title, entries in names.LISTS.items():
        if what not in {None, title}:
            continue
        if what is None:
            console.print(f"[bold]{title}[/]")
        listed = entries()
        width = max((len(entry.name) for entry in listed), default=0)
        for entry in listed:
            line = f"{entry.name:<{width}}  {escape(entry.about)}".rstrip()
            console.print(line, soft_wrap=True, highlight=False)
