"""Ray's workers train as other processes would; one that dies changes nothing.

All of them share one Ray; `test_train_command` has those that start and kill their own.
"""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from ray.train import WorkerGroupError

from swagflow.engine.resources import Resources
from swagflow.errors import StorageError, UserError
from swagflow.on_ray import training
from swagflow.on_ray.training import train_on_ray
from swagflow.train.training import TrainRow
from tests.support.trainings import train_together, uneven

pytestmark = [pytest.mark.slow, pytest.mark.timeout(800)]
TWO = Resources(num_workers=2)


def workers_at_work() -> list[int]:
    """Return the processes of Ray Train's workers that this one has started."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, title = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        titles[int(folder.name)] = title

    def is_ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and is_ours(parents[pid]))

    return sorted(p for p, title in titles.items() if b"RayTrainWorker" in title and is_ours(p))


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_dies_costs_no_bit(tmp_path: Path) -> None:
    """Batch norm's statistics and the optimizer's state included."""
    run = uneven("tiny_resnet", epochs=16, optimizer="adamw")
    undisturbed = train_together(run, tmp_path / "undisturbed", 2)
    killed: list[int] = []
    seen: list[int] = []

    def kill_one(row: TrainRow) -> None:
        seen.append(row.epoch)
        if row.epoch == 8 and not killed:
            assert not (tmp_path / "disturbed" / "weights.safetensors").exists()
            killed.append(workers_at_work()[1])
            os.kill(killed[0], signal.SIGKILL)

    disturbed = train_on_ray(run, str(tmp_path / "disturbed"), TWO, kill_one)
    assert undisturbed is not None
    assert killed
    assert sorted(set(seen)) == list(range(16))
    assert len(seen) < 16 + 8, "it began anew"
    assert disturbed.weights_sha256 == undisturbed.weights_sha256
    assert Path(disturbed.weights).read_bytes() == Path(undisturbed.weights).read_bytes()
    histories = [[replace(row, seconds=0) for row in r.history] for r in (disturbed, undisturbed)]
    assert histories[0] == histories[1]


@pytest.mark.usefixtures("cluster")
def test_a_diverging_training_is_one_error_and_not_tried_again(tmp_path: Path) -> None:
    run = uneven("tiny_vgg", learning_rate=1e30)
    with pytest.raises(UserError, match="training diverged in epoch") as raised:
        train_on_ray(run, str(tmp_path / "run"), TWO)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.usefixtures("cluster")
def test_workers_that_finish_no_epoch_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        with (tmp_path / "tries").open("a") as file:
            file.write("x")
        reasons = {1: RuntimeError("Connection closed by peer"), 0: OSError("gone\nfor ever\n!")}
        raise WorkerGroupError("both", reasons)

    monkeypatch.setattr(training, "_fit", failing)
    with pytest.raises(UserError) as raised:
        train_on_ray(uneven("tiny_vgg"), str(tmp_path / "run"), TWO)
    assert (tmp_path / "tries").read_text() == "xxx"
    assert str(raised.value) == (
        "training failed 3 times without finishing another epoch (worker 0: OSError: gone for ever;"
        " worker 1: RuntimeError: Connection closed by peer); what was finished is stored, and the "
        "same command goes on from there"
    )


@pytest.mark.usefixtures("cluster")
def test_what_would_only_fail_again_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        with (tmp_path / "tries").open("a") as file:
            file.write("x")
        reasons = {0: RuntimeError("Connection closed"), 1: StorageError("the disk is full")}
        raise WorkerGroupError("both", reasons)

    monkeypatch.setattr(training, "_fit", failing)
    with pytest.raises(StorageError, match="the disk is full"):
        train_on_ray(uneven("tiny_vgg"), str(tmp_path / "run"), TWO)
    assert (tmp_path / "tries").read_text() == "x"


@pytest.mark.usefixtures("cluster")
def test_a_cluster_without_room_for_all_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "START_SECONDS", 5)
    with pytest.raises(UserError, match="no room for all workers within 5 s"):
        train_on_ray(uneven("tiny_vgg"), str(tmp_path / "run"), Resources(num_workers=3))
