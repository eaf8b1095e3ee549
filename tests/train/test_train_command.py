"""`swagflow train` as it is called, and killed, by its user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from swagflow.cli.app import main
from swagflow.engine.resources import choose_training_resources
from swagflow.errors import UserError
from swagflow.store.files import Folder
from swagflow.store.lock import one_driver
from swagflow.train.train_config import load_train_configs
from swagflow.train.training import prepare
from tests.support.trainings import train_together

ROOT = Path(__file__).resolve().parents[2]
FEW = [
    "models={tiny_vgg: {}}",
    "datasets.train.images=32",
    "datasets.validation.images=16",
    "recipe.batch_size=8",
]


def command(folder: Path, *options: str, epochs: int = 12) -> subprocess.Popen[str]:
    """Start the training, dropout and augmentation included, with one thread."""
    settings = [f"--set={setting}" for setting in (*FEW, f"recipe.epochs={epochs}")]
    call = [sys.executable, "-m", "swagflow", "train", "train-tiny", *settings]
    return subprocess.Popen(
        [*call, f"--run-dir={folder}", "--device=cpu", *options],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after_a_checkpoint(process: subprocess.Popen[str], folder: Path) -> None:
    deadline = time.monotonic() + 300
    while not (folder / "tiny_vgg" / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no checkpoint appeared in five minutes"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert not (folder / "tiny_vgg" / "weights.safetensors").exists(), "it was killed too late"
    process.communicate()


def finished(process: subprocess.Popen[str]) -> list[str]:
    """Return what a training told that ends well."""
    output, errors = process.communicate(timeout=240)
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()


def weights_of(folder: Path) -> bytes:
    return (folder / "tiny_vgg" / "weights.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_training_ends_at_the_same_bits(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    told = finished(command(whole))
    assert [line.partition(",")[0] for line in told[:-1]] == ["tiny_vgg"] * 12
    kill_after_a_checkpoint(command(broken), broken)
    left = broken / "tiny_vgg" / ".tmp-0123456789abcdef"
    left.write_bytes(b"a part of a checkpoint")
    told_again = finished(command(broken))
    assert 1 < len(told_again) < len(told), "it began anew"
    assert told_again[-1].partition("(")[2] == told[-1].partition("(")[2]
    assert weights_of(broken) == weights_of(whole)
    assert not left.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_whose_driver_was_killed_end_at_the_same_bits(tmp_path: Path) -> None:
    """As do as many processes without Ray, which leaves nothing of its own in the folder.

    Workers outlive their driver by a second or so, and may finish some epochs meanwhile.
    """
    run = load_train_configs("train-tiny", [*FEW, "recipe.epochs=24"])["tiny_vgg"]
    assert train_together(run, tmp_path / "whole" / "tiny_vgg", 2) is not None
    broken = tmp_path / "broken"
    kill_after_a_checkpoint(command(broken, "--workers=2", epochs=24), broken)
    told = finished(command(broken, "--workers=2", epochs=24))
    assert told[0] == "tiny_vgg, of 24 epochs: starting 2 workers on cpu"
    assert 2 < len(told) < 26, "it began anew"
    assert weights_of(broken) == weights_of(tmp_path / "whole")
    files = sorted(path.name for path in (broken / "tiny_vgg").iterdir())
    assert files == [".lock", "checkpoint.pt", "history.csv", "train.json", "weights.safetensors"]


@pytest.mark.slow
def test_a_diverging_training_is_one_error(tmp_path: Path) -> None:
    rate = "--set=recipe.learning_rate=1.0e+30"
    output, errors = (process := command(tmp_path, rate)).communicate()
    assert process.returncode == 2
    assert "training diverged in epoch" in errors
    assert len(errors.splitlines()) == 1
    assert output == ""


def test_another_number_of_workers_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load_train_configs("train-tiny", FEW)["tiny_vgg"]
    prepare(run, str(tmp_path / "tiny_vgg"))
    settings = [f"--set={setting}" for setting in FEW]
    with pytest.raises(SystemExit) as stop:
        main(["train", "train-tiny", *settings, f"--run-dir={tmp_path}", "--workers=2"])
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert "was begun with one process and would go on with 2 workers" in errors
    assert len(errors.splitlines()) == 1


def test_two_trainings_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "tiny_vgg")
    settings = [f"--set={setting}" for setting in FEW]
    train = ["train", "train-tiny", *settings, f"--run-dir={tmp_path}", "--workers=0"]
    with one_driver(Folder.at(place), place, Console()), pytest.raises(SystemExit) as stop:
        main(train)
    assert stop.value.code == 2
    assert f"another run is at work in '{place}'" in capsys.readouterr().err
    assert not (tmp_path / "tiny_vgg" / "train.json").exists()


@pytest.mark.parametrize(
    ("device", "gpus", "workers", "chosen"),
    [
        ("cuda", 4, None, 4),
        ("cuda", 1, None, 0),
        ("cuda", 4, 0, 0),
        ("cuda", 4, 2, 2),
        ("cpu", 4, None, 0),
        ("cpu", 0, 3, 3),
    ],
)
def test_workers_where_none_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, workers: int | None, chosen: int
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    resources = choose_training_resources(workers, device=device)
    assert (resources.num_workers, resources.device) == (chosen, device)


def test_workers_divide_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 8)
    assert choose_training_resources(3, device="cpu").threads == 2
    assert choose_training_resources(16, device="cpu").threads == 1
    assert choose_training_resources(2, "10.0.0.1:6379", "cpu").threads == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((None, "10.0.0.1:6379", "cpu"), "--address needs --workers"),
        ((0, "10.0.0.1:6379", "cpu"), "--workers 0 runs in this process"),
        ((-1, None, "cpu"), "--workers -1"),
        ((2, None, "tpu"), "--device tpu"),
    ],
)
def test_resources_that_cannot_be(
    options: tuple[int | None, str | None, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        choose_training_resources(*options)
