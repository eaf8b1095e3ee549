"""Runs on Ray: the same bits for any number of workers, and after any killing."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import ray
import yaml

from swagflow import logs
from swagflow.errors import StorageError
from swagflow.on_ray import runner as runner_on_ray
from tests.support.runs import EXPLAINERS, Runner, changed, same_results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("quick_report")]
IMAGES = "datasets.squares.images=12"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = Runner(tmp_path_factory.mktemp("undisturbed"))
    assert runner(IMAGES) == 0
    return runner


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("cluster")
def test_any_number_of_workers_gives_the_same_bits(
    tmp_path: Path, undisturbed: Runner, workers: int
) -> None:
    runner = Runner(tmp_path)
    assert runner(IMAGES, workers=workers) == 0
    same_results(runner.folder, undisturbed)


def equal_but_for(spoiler: str, scores: pd.DataFrame, undisturbed: Runner) -> None:
    """Assert that every method but one has the rows of a run without it."""
    kept = scores[scores["explainer"] != spoiler].set_index(["explainer", "image_id"])["value"]
    reference = undisturbed.scores().set_index(["explainer", "image_id"])["value"]
    pd.testing.assert_series_equal(kept.sort_index(), reference.sort_index(), check_exact=True)


@pytest.mark.usefixtures("cluster")
def test_a_method_that_kills_its_worker_ends_as_rows_with_the_error_and_alone(
    tmp_path: Path, undisturbed: Runner
) -> None:
    runner = Runner(tmp_path)
    killer = {"type": "tests.support.plugins:KILLER", "image_id": "square/5"}
    # In the midst of the others, which are tried one by one after it.
    explainers = {"centre": {}, "killer": killer, **EXPLAINERS}
    assert runner(IMAGES, workers=2, explainers=explainers) == 1
    scores = runner.scores()
    bad = scores[scores["error"].notna()]
    assert set(bad["explainer"]) == {"killer"}
    assert set(bad["image_id"]) == {f"square/{index}" for index in range(4, 8)}
    (error,) = set(bad["error"])
    line, _, file = error.rstrip("]").rpartition(" [")
    assert line.startswith("its worker died 3 times: SYSTEM_ERROR Worker unexpectedly exits")
    text = (runner.folder / file).read_text()
    assert "data set:  squares" in text
    assert "images:    square/4 to square/7 (4)" in text
    assert "Worker exit type: SYSTEM_ERROR" in text
    equal_but_for("killer", scores, undisturbed)


@pytest.mark.usefixtures("cluster")
def test_a_method_that_hangs_is_ended_and_the_others_keep_their_rows(
    tmp_path: Path, undisturbed: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_on_ray, "CHECK_SECONDS", 0.5)
    runner = Runner(tmp_path)
    gate = tmp_path / "gate"
    gate.touch()
    hanging = {
        "type": "tests.support.plugins:GATED",
        "image_id": "square/5",
        "file": str(gate),
    }
    explainers = {"hanging": hanging, **EXPLAINERS}
    assert runner(IMAGES, workers=2, explainers=explainers, task_timeout=8.0) == 1
    scores = runner.scores()
    bad = scores[scores["error"].notna()]
    assert set(bad["explainer"]) == {"hanging"}
    assert set(bad["image_id"]) == {f"square/{index}" for index in range(4, 8)}
    (error,) = set(bad["error"])
    assert error.startswith("it took longer than the 8 s that --task-timeout allows")
    equal_but_for("hanging", scores, undisturbed)
    gate.unlink()
    assert runner(IMAGES, workers=2, explainers=explainers, retry=True) == 0


@pytest.mark.usefixtures("cluster")
def test_a_run_that_fails_leaves_no_worker_where_ray_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill, ended = ray.kill, []

    def noting(actor: Any) -> None:
        ended.append(actor)
        kill(actor)

    def failing(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(ray, "kill", noting)
    monkeypatch.setattr(runner_on_ray.Runner, "_take", failing)
    assert Runner(tmp_path)(IMAGES, workers=2) == 2
    assert len(ended) == 2


@pytest.mark.usefixtures("cluster")
def test_workers_log_to_the_files_of_rays_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the level of their driver."""
    monkeypatch.setattr(logs.LOGGER, "level", logging.INFO)
    assert Runner(tmp_path)("datasets.squares.images=4", workers=1) == 0
    folder = Path(ray._private.worker._global_node.get_logs_dir_path())

    def lines() -> list[str]:
        texts = [file.read_text() for file in folder.glob("worker-*.err")]
        return [line for line in "\n".join(texts).splitlines() if " swagflow." in line]

    deadline = time.monotonic() + 30
    while not lines() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert any("INFO swagflow.engine.classifiers: loading model toy" in line for line in lines())
    assert not any("DEBUG" in line for line in lines())


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path, undisturbed: Runner) -> None:
    runner = Runner(tmp_path)
    killer = {
        "type": "tests.support.plugins:KILLER",
        "image_id": "square/5",
        "once": str(tmp_path / "died"),
    }
    assert runner(IMAGES, workers=2, explainers={**EXPLAINERS, "killer": killer}) == 0
    assert (tmp_path / "died").exists()
    scores = runner.scores()
    assert len(scores) == 12 * (len(EXPLAINERS) + 1)
    equal_but_for("killer", scores, undisturbed)


def start(folder: Path, config: Path, workers: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "swagflow", "run", str(config),
        "--run-dir", str(folder), "--workers", str(workers), "--set", IMAGES,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_for_parts(folder: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while len(list(folder.rglob("*.parquet"))) < count and process.poll() is None:
        assert time.monotonic() < deadline, "no part appeared in two minutes"
        time.sleep(0.01)


@pytest.mark.parametrize(("workers", "kills"), [(0, (1, 9)), (2, (7,))])
def test_a_killed_driver_resumes_to_the_same_bits(
    tmp_path: Path, undisturbed: Runner, workers: int, kills: tuple[int, ...]
) -> None:
    """Killed each time once so many parts are there, and one more than before."""
    config = tmp_path / "toy.yaml"
    config.write_text(yaml.safe_dump(changed(explainers=EXPLAINERS, shard_size=4)))
    folder = tmp_path / "run"
    held: dict[Path, int] = {}
    for parts in kills:
        process = start(folder, config, workers)
        wait_for_parts(folder, max(parts, len(held) + 1), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
        assert held.items() <= found.items(), "computed twice"
        held = found
    assert start(folder, config, workers).wait() == 0
    same_results(folder, undisturbed)
    assert all(path.stat().st_mtime_ns == when for path, when in held.items()), "computed twice"


def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path) -> None:
    config = tmp_path / "toy.yaml"
    config.write_text(yaml.safe_dump(changed(explainers=EXPLAINERS, shard_size=1)))
    command = [
        sys.executable, "-m", "swagflow", "run", str(config), "--run-dir",
        str(tmp_path / "run"), "--workers", "0", "--set", "datasets.squares.images=2000",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    wait_for_parts(tmp_path / "run", 5, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"the same command goes on from there" in errors
    assert b"Traceback" not in errors
