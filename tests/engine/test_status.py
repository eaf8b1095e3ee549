"""What is missing of a run is what its own description wants, minus what it holds."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from swagflow.cli.status import show_status
from swagflow.engine.status import status_of
from swagflow.errors import UserError
from swagflow.store.run_folder import BENCHMARK, Store
from tests.support.runs import changed

ROOT = Path(__file__).resolve().parents[2]
OLD_RUN = Path(__file__).parent / "old_run"


def shown(folder: Path) -> tuple[int, str]:
    stream = io.StringIO()
    code = show_status(str(folder), Console(file=stream, width=300))
    return code, stream.getvalue()


@pytest.mark.slow
def test_a_run_killed_after_one_shard_lacks_the_rest_of_every_cell(tmp_path: Path) -> None:
    killer = {"type": "tests.support.plugins:KILLER", "image_id": "square/32"}
    sections = changed(explainers={"killer": killer, "centre": {}}, shard_size=32)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(sections, sort_keys=False))
    command = [
        *(sys.executable, "-m", "swagflow", "run", str(tmp_path / "toy.yaml"), "--workers", "0"),
        *("--run-dir", str(tmp_path / "run"), "--set", "datasets.squares.images=320"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    code, text = shown(tmp_path / "run")
    assert code == 1
    for explainer in ("killer", "centre"):
        for rows in ("masks", "deletion"):
            line = f"unfinished: squares/toy {explainer} {rows}: 288 of 320 images are missing"
            assert line in text


def test_a_folder_of_version_0_1_is_counted_by_its_fullest_cell(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(OLD_RUN, folder)
    assert status_of(Store(str(folder))).is_complete
    for part in folder.glob("scores/metric=deletion/**/explainer=swag/000003-*"):
        part.unlink()
    for part in folder.glob("roar/**/0.50-*"):
        part.unlink()
    for part in folder.glob("scores/metric=efficiency/**/*.parquet"):
        part.unlink()
    code, text = shown(folder)
    assert code == 1
    assert "digit_scenes/tiny_resnet swag deletion: 1 of 4 images are missing" in text
    assert "digit_scenes/tiny_resnet grad_cam efficiency: 1 of 1 images are missing" in text
    assert "1 of 2 trainings of remove and retrain are missing" in text
    assert text.count("unfinished") == 3


def test_rows_of_another_setting_are_missing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(OLD_RUN, folder)
    described = yaml.safe_load((folder / BENCHMARK).read_text())
    described["explainers"]["grad_cam"]["version"] = 2
    (folder / BENCHMARK).write_text(yaml.safe_dump(described))
    status = status_of(Store(str(folder)))
    names = {(state.cell.name.explainer, state.cell.name.metric) for state in status.unfinished}
    assert names == {
        ("grad_cam", None),
        ("grad_cam", "deletion"),
        ("grad_cam", "pointing_game"),
        ("grad_cam", "efficiency"),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot be read"),
        (b"name: 3\n", "name: Input should be a valid string"),
        (b"- a\n", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_damaged_description_is_one_clear_error(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / BENCHMARK).write_bytes(content)
    with pytest.raises(UserError, match=message):
        Store(str(tmp_path)).read_benchmark()
