"""Run folders and data sets in Google's storage, whose protocol a process here speaks."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import fs
from rich.console import Console

from swagflow.cli.status import show_status
from swagflow.engine.shard_worker import ShardWorker
from swagflow.store import lease
from swagflow.store.files import Folder
from swagflow.store.run_folder import Store
from tests.data.test_remote_data import TREES, is_same, loaded
from tests.support import archives
from tests.support.ray_head import free_port
from tests.support.runs import Killed, Runner, dies_after, rows_of

pytestmark = pytest.mark.slow
IMAGES = "datasets.squares.images=12"


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an empty bucket; yield what an address needs to lead there."""
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--quiet", "--in-memory"]
    command += ["--host=127.0.0.1", f"--port={port}", "--default-bucket=bucket"]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        leads_there = f"scheme=http&endpoint_override=127.0.0.1%3A{port}&retry_limit_seconds=1"
        for _ in range(30):
            try:
                fs.FileSystem.from_uri(f"gs://anonymous@bucket?{leads_there}")[0].get_file_info(
                    "bucket"
                )
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
        yield leads_there.replace("seconds=1", "seconds=20")
    finally:
        process.kill()
        process.wait()


def uri_of(path: str, options: str) -> str:
    return f"gs://anonymous@bucket/{path}?{options}"


def test_an_interrupted_run_resumes_to_the_bits_of_a_local_one(
    tmp_path: Path, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.1)
    (tmp_path / "local").mkdir()
    local, remote = Runner(tmp_path / "local"), Runner(tmp_path)
    remote.uri = uri_of("run", options)
    assert local(IMAGES) == 0
    with monkeypatch.context() as patch:
        patch.setattr(ShardWorker, "run_task", dies_after(6, ShardWorker.run_task))
        with pytest.raises(Killed):
            remote(IMAGES)
    store = Store(remote.uri)
    assert 0 < len(store.parts()) < 24
    assert remote(IMAGES) == 0
    assert "rows held already" in remote.output
    assert store.metrics() == Store(str(local.folder)).metrics() != []
    pd.testing.assert_frame_equal(
        rows_of(store), rows_of(Store(str(local.folder))), check_exact=True
    )
    stream = io.StringIO()
    assert show_status(remote.uri, Console(file=stream, width=200)) == 0
    assert "unfinished" not in stream.getvalue()
    assert store.folder.exists("report.html")
    assert not store.folder.exists(lease.LOCK)


@pytest.mark.parametrize("tree", TREES)
def test_a_remote_data_set_is_the_local_one(tmp_path: Path, options: str, tree: str) -> None:
    name, write = TREES[tree]
    write(tmp_path)
    uri = uri_of(f"data/{tree.replace(', ', '-')}", options)
    folder = Folder.at(uri)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            folder.write(path.relative_to(tmp_path).as_posix(), path.read_bytes())
    local = archives.opened(name, root=str(tmp_path), size=32)
    remote = archives.opened(name, root=uri, size=32)
    assert list(remote.image_ids) == list(local.image_ids)
    assert remote.fingerprint == local.fingerprint
    for image_id in local.image_ids:
        for mine, other in zip(loaded(remote, image_id), loaded(local, image_id), strict=True):
            assert is_same(mine, other), image_id
