"""What is left of a Ray whose driver was killed, and what only looks like it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from swagflow.on_ray.reaper import left_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
DRIVER = """
import sys, time
from swagflow.on_ray.reaper import reaped
with reaped(*sys.argv[1:]):
    print("ready", flush=True)
    time.sleep(0 if "at once" in sys.argv[1] else 60)
"""
SLEEPER = "import sys, time; print('ready', flush=True); time.sleep(60)"
HOLDER = "import sys, time; file = open(sys.argv[1]); print('ready', flush=True); time.sleep(60)"


@contextmanager
def started(code: str, *words: str, name: str = sys.executable) -> Iterator[subprocess.Popen[str]]:
    """Start Python by any name; it has said that it is ready."""
    command = [name, "-c", code, *words]
    with subprocess.Popen(
        command, executable=sys.executable, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_processes_of_ray_that_are_of_the_session(tmp_path: Path) -> None:
    session, ray = str(tmp_path / "session_1"), str(tmp_path / "site" / "ray")
    log = tmp_path / "session_1" / "logs" / "agent.log"
    log.parent.mkdir(parents=True)
    log.touch()
    with ExitStack() as stack:
        raylet = stack.enter_context(started(SLEEPER, f"{ray}/raylet", f"--session={session}"))
        agent = stack.enter_context(started(HOLDER, str(log), name="ray::Agent"))
        reader = stack.enter_context(started(HOLDER, str(log)))
        other = stack.enter_context(started(SLEEPER, f"{ray}/raylet", f"--session={session[:-1]}2"))
        assert sorted(left_of(session, ray)) == sorted([raylet.pid, agent.pid])
        assert reader.poll() is None
        assert other.poll() is None


def test_they_are_gone_soon_after_their_driver_was_killed(tmp_path: Path) -> None:
    session, ray = str(tmp_path / "session_1"), str(tmp_path / "site" / "ray")
    with (
        started(SLEEPER, f"{ray}/raylet", f"--session={session}") as raylet,
        started(SLEEPER, session) as other,
        started(DRIVER, session, ray) as driver,
    ):
        os.kill(driver.pid, signal.SIGKILL)
        assert raylet.wait(timeout=30) == -signal.SIGKILL
        assert other.poll() is None


def test_a_driver_that_ends_leaves_no_reaper(tmp_path: Path) -> None:
    with started(DRIVER, str(tmp_path / "at once"), "ray") as driver:
        assert driver.wait(timeout=30) == 0
    deadline = time.monotonic() + 10
    while any(str(tmp_path) in line for line in _commands()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _commands() -> Iterator[str]:
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield place.read_text("utf-8", "replace")
        except OSError:
            continue
