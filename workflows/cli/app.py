"""The command line: its commands, and the options of none of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from .. import __version__
from . import (
    check,
    compact,
    compare,
    data,
    explain,
    list,  # noqa: A004
    plan,
    report,
    run,
    status,
    submit,
    table,
    train,
)
from .guard import guarded, heed_sigterm
from .options import Verbose

app = typer.Typer(
    name="swagflow",
    help="Which explanation of an image classifier is faithful? Benchmarks on validation sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


def _show_version(asked: bool) -> None:
    if asked:
        Console().print(f"swagflow {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
    _verbose: Verbose = 0,
) -> None:
    """Take the options that go before a command."""


app.command(epilog=run.EXAMPLE)(run.run)
app.command(epilog=plan.EXAMPLE)(plan.plan)
app.command(epilog=status.EXAMPLE)(status.status)
app.command(epilog=submit.EXAMPLE)(submit.submit)
app.command(epilog=report.EXAMPLE)(report.report)
app.command(epilog=table.EXAMPLE)(table.table)
app.command(epilog=compare.EXAMPLE)(compare.compare)
app.command(epilog=check.EXAMPLE)(check.check)
app.command(epilog=compact.EXAMPLE)(compact.compact)
app.command("list", epilog=list.EXAMPLE)(list.list_names)
app.command(epilog=explain.EXAMPLE)(explain.explain)
app.command(epilog=train.EXAMPLE)(train.train)
app.add_typer(data.app, name="data")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every user error is one message and exit code 2."""
    heed_sigterm()

    def command() -> object:
        return app(arguments, prog_name="swagflow", standalone_mode=False)

    sys.exit(guarded(command, Console(stderr=True)))
