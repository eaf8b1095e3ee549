"""A compaction that SIGKILL ends, wherever: no row is lost, and the next one ends it well."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swagflow.store.run_folder import Store
from tests.support.processes import ROOT
from tests.support.runs import EXPLAINERS, Runner, same_results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("quick_report")]
IMAGES = "datasets.squares.images=40"
CELLS = 2 * len(EXPLAINERS)
PARTS = 40 * CELLS
POINTS = 12


def compaction(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "swagflow", "compact", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )


def num_files(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*.parquet"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Return a run of many small parts."""
    runner = Runner(tmp_path_factory.mktemp("whole"))
    assert runner(IMAGES, shard_size=1) == 0
    assert num_files(runner.folder) == PARTS
    return runner


@pytest.mark.parametrize("point", range(POINTS))
def test_rows_survive_a_compaction_that_is_killed(
    whole: Runner, tmp_path: Path, point: int
) -> None:
    """The point is when so many files are left, and a moment later."""
    chosen = random.Random(point)
    left = PARTS * (POINTS - point) // POINTS - chosen.randrange(10)
    runner = Runner(tmp_path)
    shutil.copytree(whole.folder, runner.folder)
    process = compaction(runner.folder)
    while num_files(runner.folder) > left and process.poll() is None:
        pass
    time.sleep(chosen.uniform(0, 0.01))
    process.kill()
    process.wait()

    same_results(runner.folder, whole)
    again = compaction(runner.folder)
    assert again.wait() == 0
    assert len(Store(runner.uri).parts()) == num_files(runner.folder) == CELLS
    same_results(runner.folder, whole)
    assert runner(IMAGES, shard_size=1) == 0
    assert "Nothing to compute" in runner.output
    same_results(runner.folder, whole)
