"""Runs that are asked to end, and runs whose folder is taken away."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from swagflow.store.run_folder import Store
from tests.support import chaos

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("asked", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_end_ends_its_workers(
    tmp_path: Path, started: list[chaos.Run], workers: int, asked: signal.Signals, code: int
) -> None:
    run = chaos.start(tmp_path / "run", *chaos.MANY, workers=workers)
    started.append(run)
    assert run.wait_for(lambda: run.num_parts() > 8)
    # A terminal's Ctrl-C reaches every process of its foreground.
    (os.killpg if asked == signal.SIGINT else os.kill)(run.process.pid, asked)
    assert chaos.wait_for_the_end(run) == code, run.text
    assert "Traceback" not in run.text
    assert "the same command goes on from there" in run.text
    assert not (run.folder / "failures").exists(), "what was interrupted is no failure"
    assert Store(str(run.folder)).read_scores("deletion")["error"].isna().all()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_folder_that_vanishes_is_noticed_at_the_next_write(
    tmp_path: Path, started: list[chaos.Run], workers: int
) -> None:
    run = chaos.start(tmp_path / "run", *chaos.MANY, workers=workers)
    started.append(run)
    assert run.wait_for(lambda: run.num_parts() > 8)
    run.folder.rename(tmp_path / "elsewhere")
    held = len(list((tmp_path / "elsewhere").rglob("*.parquet")))
    assert chaos.wait_for_the_end(run) == 2, run.text
    assert "Traceback" not in run.text
    assert f"the folder {str(run.folder)!r} was taken away" in run.text
    assert not list(run.folder.rglob("*.parquet")), "a new folder must not take its place"
    assert held < 3200
