"""Python in a process of its own, in which packages can be missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

COMMANDS = """
from swagflow.cli import main

for call in {calls!r}:
    try:
        main(call)
    except SystemExit as stop:
        print("exit", stop.code or 0, flush=True)
"""
"""Calls the command line several times, so that what takes long is imported only once."""


def python(
    code: str, *, without: Iterable[str] = (), cwd: Path = ROOT, timeout: float = 110
) -> subprocess.CompletedProcess[str]:
    """Run code where the modules named in `without` cannot be imported."""
    block = f"import sys\nsys.modules.update(dict.fromkeys({list(without)!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", block + code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def commands(
    calls: Sequence[Sequence[str]], *, without: Iterable[str] = (), cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Call `swagflow` with each list of arguments; every one ends with a line "exit CODE"."""
    return python(COMMANDS.format(calls=[list(call) for call in calls]), without=without, cwd=cwd)


def exit_codes(done: subprocess.CompletedProcess[str]) -> list[int]:
    """Return the exit codes of `commands`, after making sure that nothing else went wrong."""
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    return [int(line.partition(" ")[2]) for line in lines if line.startswith("exit ")]
