"""How a command ends: its exit code, and one message for every user error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from ..errors import (
    EXIT_INTERRUPTED,
    EXIT_LOST_CLUSTER,
    EXIT_TERMINATED,
    EXIT_USER_ERROR,
    UserError,
)
from .extras import how_to_install

_terminated = threading.Event()


def heed_sigterm() -> None:
    """Let SIGTERM end this process's command as Ctrl-C does, so that its workers end with it."""

    def interrupt(*_: object) -> None:
        # Of all exceptions, Ray passes on only this one.
        _terminated.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def end_without_cluster(reason: str) -> None:
    """End this process at once: whoever waits for a cluster that is gone cannot be woken."""
    print(  # noqa: T201 - rich's lock may be held by a thread that waits for the cluster
        f"\nThe Ray cluster is lost: {reason}. What was finished is stored; the same command goes "
        "on from there.",
        flush=True,
    )
    sys.stderr.flush()
    os._exit(EXIT_LOST_CLUSTER)


def guarded(command: Callable[[], Any], console: Console) -> int:
    """Return the exit code of a command."""
    # The base of usage errors is click's, or that of the copy of click in newer typer.
    usage_error: Any = typer.BadParameter.__mro__[2]
    try:
        result = command()
    except UserError as error:
        return _say_error(str(error), console)
    except ModuleNotFoundError as error:
        cure = how_to_install(error)
        if cure is None:
            raise
        return _say_error(cure, console)
    except typer.Exit as stop:
        result = stop.exit_code
    except usage_error as error:
        error.show()
        return EXIT_USER_ERROR
    except (KeyboardInterrupt, typer.Abort):
        result = EXIT_INTERRUPTED
    if result == EXIT_INTERRUPTED:  # newer typer returns it where older ones raise
        console.print(
            "Interrupted. What was finished is stored; the same command goes on from there.",
            soft_wrap=True,
        )
        result = EXIT_TERMINATED if _terminated.is_set() else EXIT_INTERRUPTED
    return result if isinstance(result, int) else 0


def _say_error(text: str, console: Console) -> int:
    console.print(f"[bold red]Error:[/] {escape(text)}", soft_wrap=True, highlight=False)
    return EXIT_USER_ERROR
