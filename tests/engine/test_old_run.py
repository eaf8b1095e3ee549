"""A run folder of version 0.1, kept as it was written: what it holds is never computed again."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from rich.console import Console

from swagflow.config.load import load_benchmark
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import Resources
from swagflow.engine.work import InProcess
from swagflow.store.run_folder import Store

HERE = Path(__file__).parent


def test_an_old_run_folder_has_nothing_to_compute(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(HERE / "old_run", folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    opened = open_benchmark(load_benchmark(str(HERE / "old_run.yaml")))
    screen = Console(file=io.StringIO())
    assert not compute(opened, Store(str(folder)), InProcess(Resources(0)), screen)
    assert {path: path.read_bytes() for path in folder.rglob("*.parquet")} == before
    assert len(before) == 25
