"""Run folders on filesystems that pyarrow does not know, and addresses that lead nowhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.local import LocalFileSystem
from rich.console import Console

from swagflow.cli.status import show_status
from swagflow.engine.shard_worker import ShardWorker
from swagflow.page import build_report
from swagflow.store import clients, lease
from swagflow.store.files import Folder
from swagflow.store.run_folder import Store
from tests.support.runs import Killed, Runner, dies_after, rows_of

pytestmark = pytest.mark.usefixtures("quick_report", "undrawn")


IMAGES = "datasets.squares.images=8"


class Shared(LocalFileSystem):
    """A filesystem of somebody else's, which makes no folder by itself."""

    protocol = "shared"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return LocalFileSystem._strip_protocol(str(path).replace("shared://", "file://"))


@pytest.fixture(params=["memory", "shared"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    fsspec.register_implementation("shared", Shared, clobber=True)
    yield f"{request.param}://{tmp_path}/remote"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.0)


def test_a_killed_run_is_finished_and_reported(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local").mkdir()
    local, remote = Runner(tmp_path / "local"), Runner(tmp_path)
    remote.uri = uri
    assert local(IMAGES) == 0
    with monkeypatch.context() as patch:
        patch.setattr(ShardWorker, "run_task", dies_after(5, ShardWorker.run_task))
        with pytest.raises(Killed):
            remote(IMAGES)
    store = Store(uri)
    held = {part.path: store.folder.read(part.path) for part in store.parts()}
    assert len(held) == 10
    assert remote(IMAGES) == 0
    assert held.items() <= {p.path: store.folder.read(p.path) for p in store.parts()}.items()
    assert len(store.parts()) == 16
    assert store.metrics() == ["deletion"]
    pd.testing.assert_frame_equal(
        rows_of(store), rows_of(Store(str(local.folder))), check_exact=True
    )
    stream = io.StringIO()
    assert show_status(uri, Console(file=stream, width=200)) == 0
    assert "unfinished" not in stream.getvalue()
    written = build_report(store, open_datasets=lambda _: None)
    assert b"swag" in store.folder.read("report.html")
    assert set(written) <= set(store.folder.list())
    assert remote(IMAGES) == 0
    assert "Nothing to compute" in remote.output
    assert store.folder.find(lease.LOCK) is None


def test_what_another_process_writes_is_seen() -> None:
    """Listings are kept by some filesystems of fsspec's."""
    folder = Folder.at("memory://fresh")
    assert folder.list() == []
    fsspec.filesystem("memory").pipe_file("/fresh/scores/part", b"1")
    assert folder.list() == ["scores/part"]
    assert list(folder.entries()) == ["scores"]
    folder.delete_all(["scores/part"])
    assert folder.find("scores/part") is None


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("az://bucket/run", "adlfs"),
        ("nonsense://bucket/run", "Protocol not known: nonsense"),
        ("sftp://user:word@host/run", "holds a password"),
    ],
)
def test_an_address_that_cannot_be_opened(tmp_path: Path, uri: str, message: str) -> None:
    runner = Runner(tmp_path)
    runner.uri = uri
    assert runner(IMAGES) == 2
    assert message in runner.output
    assert "word" not in runner.output.replace("password", "")


def test_google_without_credentials_or_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "GOOGLE_RETRY_SECONDS", 1)
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", "http://127.0.0.1:9")
    runner = Runner(tmp_path)
    runner.uri = "gs://bucket/run"
    assert runner(IMAGES) == 2
    assert "Retry policy exhausted" in runner.output
    assert "GOOGLE_APPLICATION_CREDENTIALS" in runner.output
    assert "error_info" not in runner.output
