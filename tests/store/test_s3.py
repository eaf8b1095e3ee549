"""Run folders in an object store, served on this machine."""

from __future__ import annotations

import _thread
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from moto import settings
from moto.core.responses import ActionAuthenticatorMixin
from rich.console import Console

from benchmarks.made_run import Size, make
from swagflow.cli.compact import compact_run
from swagflow.cli.report import write_report
from swagflow.cli.status import show_status
from swagflow.engine.shard_worker import ShardWorker
from swagflow.errors import StorageError
from swagflow.store import files, lease
from swagflow.store.files import Folder
from swagflow.store.run_folder import Store
from swagflow.train import fitting
from tests.support import s3_server
from tests.support.runs import EXPLAINERS, SECTIONS, Killed, Runner, dies_after, rows_of

IMAGES = "datasets.squares.images=12"


@pytest.fixture(autouse=True)
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.0)


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[dict[str, str]]:
    with s3_server.serving() as environment:
        yield environment


class Remote(Runner):
    """The same runs in the bucket."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.uri = f"s3://{s3_server.BUCKET}/{folder.name}/run"


def assert_same_scores(mine: Store, other: Store) -> None:
    pd.testing.assert_frame_equal(rows_of(mine), rows_of(other), check_exact=True)


def assert_no_secrets(text: str) -> None:
    for name, value in s3_server.CREDENTIALS.items():
        if value not in {"true", "us-east-1"}:
            assert value not in text, name


@pytest.mark.slow
def test_an_interrupted_run_resumes_to_the_bits_of_a_local_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local").mkdir()
    local = Runner(tmp_path / "local")
    assert local(IMAGES) == 0
    remote = Remote(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ShardWorker, "run_task", dies_after(6, ShardWorker.run_task))
        with pytest.raises(Killed):
            remote(IMAGES)
    store = Store(remote.uri)
    prefix = store.folder.root.partition("/")[2]
    held = {key: body for key, body in s3_server.objects(prefix).items() if ".parquet" in key}
    assert 0 < len(held) < 24
    assert remote(IMAGES) == 0
    assert "rows held already" in remote.output
    everything = s3_server.objects(prefix)
    assert held.items() <= everything.items()

    reference = Store(str(local.folder))
    assert_same_scores(store, reference)
    for explainer in EXPLAINERS:
        ours = store.read_explanations("squares", "toy", explainer)
        theirs = reference.read_explanations("squares", "toy", explainer)
        assert {k: v.tobytes() for k, v in ours.items()} == {
            k: v.tobytes() for k, v in theirs.items()
        }

    stream = io.StringIO()
    console = Console(file=stream, width=200)
    assert show_status(remote.uri, console) == 0
    write_report(remote.uri, console)
    everything = s3_server.objects(prefix)
    assert b"swag" in everything[f"{prefix}/report.html"]
    for key, body in everything.items():
        assert_no_secrets(key + body.decode("latin-1"))
    assert_no_secrets(remote.output + stream.getvalue())


def test_a_part_is_one_put() -> None:
    Folder.at(f"s3://{s3_server.BUCKET}/put").write("part", b"0" * 8_000_000)
    about = boto3.client("s3").head_object(Bucket=s3_server.BUCKET, Key="put/part")
    assert about["ContentLength"] == 8_000_000
    assert "-" not in about["ETag"], "several requests"


def test_an_interrupted_write_stores_nothing_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a stream that was opened and not written to would put an empty object."""
    folder = Folder.at(f"s3://{s3_server.BUCKET}/interrupted")
    folder.write("part", b"whole")
    put = files._put

    ended = threading.Event()

    def slow_put(*arguments: Any) -> None:
        _thread.interrupt_main()
        put(*arguments)
        ended.set()

    monkeypatch.setattr(files, "_put", slow_put)
    with pytest.raises(KeyboardInterrupt):
        folder.write("part", b"other")
    assert ended.wait(60)
    assert folder.read("part") == b"other"


@pytest.mark.slow
def test_retraining_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local").mkdir()
    local, remote = Runner(tmp_path / "local"), Remote(tmp_path)
    assert local(**SECTIONS) == 0
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_epoch", dies_after(4, fitting._epoch))
        with pytest.raises(Killed):
            remote(**SECTIONS)
    store = Store(remote.uri)
    assert any(path.endswith(".checkpoint") for path in store.folder.list("roar"))
    epochs: list[int] = []
    epoch = fitting._epoch

    def counted(*arguments: Any, **options: Any) -> float:
        epochs.append(arguments[-1])
        return epoch(*arguments, **options)

    monkeypatch.setattr(fitting, "_epoch", counted)
    assert remote(**SECTIONS) == 0
    assert epochs[:2] == [1, 2], "trained again from the start"
    assert len(epochs) == 6 * 3 - 4
    names = ["explainer", "removed_fraction", "repeat", "accuracy"]
    mine, other = (
        s.read_roar()[names].sort_values(names).reset_index(drop=True)
        for s in (store, Store(str(local.folder)))
    )
    pd.testing.assert_frame_equal(mine, other, check_exact=True)
    assert not any(path.endswith(".checkpoint") for path in store.folder.list("roar"))


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://no-such-bucket/run", "specified bucket does not exist"),
        ("s3://name:word@bucket/run", "holds a password"),
        ("nonsense://bucket/run", "cannot be opened"),
        ("s3://[", "is not an address of a folder: Invalid IPv6 URL"),
        ("s3://a b", "is not an address of a folder: it has blanks in it"),
    ],
)
def test_what_cannot_be_a_run_folder(tmp_path: Path, uri: str, message: str) -> None:
    runner = Remote(tmp_path)
    runner.uri = uri
    assert runner(IMAGES) == 2
    assert message in runner.output
    assert "name:word" not in runner.output


def test_unknown_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)
    runner = Remote(tmp_path)
    assert runner(IMAGES) == 2
    assert "AWS Error" in runner.output
    assert "must hold its credentials, region" in runner.output
    assert_no_secrets(runner.output)


@pytest.mark.slow
def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow because pyarrow tries again and again."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    runner = Remote(tmp_path)
    assert runner(IMAGES) == 2
    assert "Could not connect" in runner.output


@pytest.mark.usefixtures("quick_report")
def test_a_broken_storage_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no row with an error, because that could not be stored either."""
    runner = Runner(tmp_path)

    replace = files._replace

    def full(path: Path, content: bytes) -> None:
        if "metric=deletion" in str(path):
            raise OSError(28, "No space left on device")
        replace(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_replace", full)
        assert runner(IMAGES) == 2
    assert "No space left on device" in runner.output
    assert runner(IMAGES) == 0
    assert len(runner.scores()) == 12 * 4
    assert yaml.safe_load((runner.folder / "benchmark.yaml").read_text())["name"] == "toy"


def test_a_run_is_compacted_where_it_is(tmp_path: Path) -> None:
    size = Size(images=10, explainers=1, metrics=1, models=1, shard_size=4, mask_side=6)
    make(str(tmp_path), size)
    store = Store(s3_server.upload(tmp_path, "compacted"))
    before = store.read_scores("deletion_0")
    described = store.read_benchmark()
    (explainer,) = described.explainers
    maps = store.read_explanations("pictures", "model_0", explainer)
    compact_run(store.uri, Console(quiet=True))
    assert len(store.parts()) == 2
    pd.testing.assert_frame_equal(store.read_scores("deletion_0"), before, check_exact=True)
    after = store.read_explanations("pictures", "model_0", explainer)
    assert {k: v.tobytes() for k, v in after.items()} == {k: v.tobytes() for k, v in maps.items()}
    assert not store.folder.exists(lease.LOCK)


def test_pieces_of_a_large_file_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder.at(f"s3://{s3_server.BUCKET}/pieces")
    sink = pa.BufferOutputStream()
    table = pa.table({"error": ["a", None], "image_id": ["x", "y"], "value": [0.5, 0.25]})
    pq.write_table(table, sink, row_group_size=1)
    folder.write("scores/part", sink.getvalue())
    monkeypatch.setattr(files, "SMALL_BYTES", 0)
    with folder.source("scores/part") as source:
        file = pq.ParquetFile(source)
        assert file.read_row_group(1).to_pylist() == table.slice(1).to_pylist()
        folder.delete("scores/part")
        with pytest.raises(StorageError, match="the storage of"):
            file.read_row_group(0)
