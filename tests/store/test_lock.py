"""One driver at a time in a local folder: the system's lock, which ends with its process."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from swagflow.errors import UserError
from swagflow.store import lease
from swagflow.store.files import Folder
from swagflow.store.lease import LOCK
from swagflow.store.lock import one_driver
from tests.support.processes import ROOT

HOLD = """
import sys, time
from rich.console import Console
from swagflow.store.files import Folder
from swagflow.store.lock import one_driver
with one_driver(Folder.at(sys.argv[1]), sys.argv[1], Console()):
    print("held", flush=True)
    time.sleep(600)
"""


def lock(place: Path) -> Any:
    return one_driver(Folder.at(str(place)), str(place), Console(file=io.StringIO()))


def assert_turned_away(place: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UserError) as caught, lock(place):
        pass
    assert str(caught.value) == (
        f"another run is at work in {str(place)!r}; wait for it or choose another --run-dir"
    )
    assert time.monotonic() - start < 1, "it waited"


def test_a_second_driver_is_turned_away_at_once(tmp_path: Path) -> None:
    place = tmp_path / "new" / "run"
    with lock(place):
        assert_turned_away(place)
        assert (place / LOCK).read_bytes() == b""
    with lock(place):
        pass
    assert [path.name for path in place.iterdir()] == [LOCK], "the file stays, for the next driver"


def test_another_folder_is_free(tmp_path: Path) -> None:
    with lock(tmp_path / "one"), lock(tmp_path / "two"):
        assert (tmp_path / "two" / LOCK).exists()


def test_an_error_inside_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock(tmp_path):
        raise ZeroDivisionError
    with lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "held\n"
        assert_turned_away(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        with lock(tmp_path):
            pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_filesystem_without_locks_is_leased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The lease of a living driver is left as it is by the next one's attempt to lock."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.0)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with lock(tmp_path):
        assert b"beats" in (tmp_path / LOCK).read_bytes()
        with pytest.raises(UserError, match=r"another run is at work in .*: process "):
            lock(tmp_path).__enter__()
        assert b"beats" in (tmp_path / LOCK).read_bytes()
    assert not (tmp_path / LOCK).exists()
