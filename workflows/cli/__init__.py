"""The command line: one file a command, each of which imports what it needs when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import EXIT_USER_ERROR
from .extras import how_to_install


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every user error is one message and exit code 2."""
    # Read by OpenMP when torch is imported, so set before: idle threads sleep instead of spinning.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        from .app import main as run
    except ModuleNotFoundError as error:
        cure = how_to_install(error)
        if cure is None:
            raise
        sys.stderr.write(f"Error: {cure}\n")
        sys.exit(EXIT_USER_ERROR)
    run(arguments)
