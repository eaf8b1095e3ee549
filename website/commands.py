"""The command line's reference, as typer writes it of its commands."""

from __future__ import annotations

import subprocess
import sys


def text() -> str:
    """Return usage, arguments and options of every command."""
    command = [sys.executable, "-m", "typer", "swagflow.cli.app", "utils", "docs"]
    done = subprocess.run(  # noqa: S603 - typer's own command
        [*command, "--name", "swagflow"], capture_output=True, text=True, check=True
    )
    return done.stdout.partition("\n")[2].strip()
