"""Commands of the project that belong to what `benchmarks.gpu` measures: its tests, and a plan."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.gpu_timing import Session
from benchmarks.measure import if_installed

ROOT = Path(__file__).resolve().parents[1]
MARK = "@pytest.mark.gpu"
PLAN = ("swagflow", "plan", "paper/all", "--assume-data", "--workers", "0")
LINES = 14
"""Of what a command says, the last ones are shown."""


def tests(session: Session, _options: Namespace) -> dict[str, Any] | None:
    """Run the tests that need a GPU, and only their files, of whose packages not all are needed."""
    print("\n## Tests that need a GPU\n")
    if session.device.type != "cuda":
        print("left out: there is none")
        return None
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    files = [str(path) for path in paths if MARK in path.read_text(encoding="utf-8")]
    return command(session, ["pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *files])


def plan(session: Session, _options: Namespace) -> dict[str, Any] | None:
    """Let the whole paper's plan be made, at the rates of this device."""
    print("\n## The paper's plan\n")
    if if_installed("pydantic") is None:
        print("left out: pydantic, which `swagflow plan` needs, is not installed")
        return None
    return command(session, [*PLAN, "--device", str(session.device)])


def command(session: Session, arguments: list[str]) -> dict[str, Any] | None:
    """Run a module, show the end of what it says and return all of it; None: out of time."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=max(session.left, 1),
            check=False,
        )
    except subprocess.TimeoutExpired:
        session.left_out.append(" ".join(arguments[:3]))
        return None
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    print("\n".join(["```", *lines[-LINES:], "```"]), flush=True)
    if done.returncode:
        session.failed.append(arguments[0])
    return {"exit_code": done.returncode, "said": lines}
