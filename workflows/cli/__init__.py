"""The command line: one file a command."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every user error is one message and exit code 2."""
    from .app import main as run  # noqa: PLC0415 - what it needs may be missing

    run(arguments)
