"""Ten thousand files and pictures, a row group of twenty thousand images, and clocks that jump."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console
from torch import Tensor

from swagflow.cli.status import show_status
from swagflow.data import ImageFolder, ImageParquet, folder
from swagflow.data.base import load_image
from swagflow.data.framing import Frame, Framing
from swagflow.data.parquet import ParquetImages
from swagflow.store import lease
from swagflow.store.files import Folder
from swagflow.store.lease import LOCK, leased
from swagflow.store.parquet import encoded
from tests.support.runs import Runner

NUM_IMAGES = 5000
CENTRE: dict[str, object] = {"centre": {}}
DAY = 86_400


def multiply(folder: Path, num_images: int) -> int:
    """Make one image's parts into those of many; return how many files there are."""
    count = 0
    for part in sorted(folder.rglob("000000-000000-*.parquet")):
        table = pq.read_table(part, partitioning=None)
        place = table.schema.get_field_index("image_id")
        key = table.schema.metadata[b"swagflow.cell_key"].decode()
        for number in range(num_images):
            ids = pa.array([f"square/{number}"], pa.string())
            own = table.set_column(place, table.schema.field(place), ids)
            name = part.name.replace("000000-000000", f"{number:06d}-{number:06d}")
            part.with_name(name).write_bytes(encoded(own, key))
            count += 1
    return count


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_files_are_listed_read_and_gone_on_with(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    assert runner("datasets.squares.images=1", explainers=CENTRE, shard_size=1) == 0
    assert multiply(runner.folder, NUM_IMAGES) == 2 * NUM_IMAGES
    lost = sorted(runner.folder.rglob("*.parquet"))[77::3000]
    for path in lost:
        path.unlink()
    many = f"datasets.squares.images={NUM_IMAGES}"
    start = time.monotonic()
    assert runner(many, explainers=CENTRE, shard_size=1) == 0
    run_seconds = time.monotonic() - start
    # Those of scores are parts of a large one by now.
    assert all(path.exists() for path in lost if "explanations" in path.parts)
    rows = runner.scores()
    assert rows["image_id"].nunique() == len(rows) == NUM_IMAGES
    assert f"{NUM_IMAGES:,}" in (runner.folder / "report.html").read_text("utf-8")

    start = time.monotonic()
    screen = Console(file=io.StringIO(), width=200)
    assert show_status(runner.uri, screen) == 0
    status_seconds = time.monotonic() - start
    assert runner(many, explainers=CENTRE, shard_size=1) == 0
    assert "Nothing to compute" in runner.output
    assert status_seconds < 30
    assert run_seconds < 120


def test_a_folder_of_ten_thousand_pictures_is_listed_without_reading_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(stream, "PNG")
    first = tmp_path / "a" / "0.png"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first.write_bytes(stream.getvalue())
    for number in range(1, 2 * NUM_IMAGES):
        (tmp_path / "ab"[number % 2] / f"{number}.png").hardlink_to(first)
    os.utime(first, (2**32, 2**32))  # nobody asks when it was written
    read: list[object] = []

    def counted(file: Path, frame: Frame) -> tuple[Tensor, Framing]:
        read.append(file)
        return load_image(file, frame)

    monkeypatch.setattr(folder, "load_image", counted)
    opened = ImageFolder(root=str(tmp_path), size=8).open()
    assert len(set(opened.image_ids)) == 2 * NUM_IMAGES
    assert len(opened.fingerprint) == 64
    assert read == []
    samples = [opened.load(image_id) for image_id in opened.image_ids[:50]]
    assert {sample.label for sample in samples} == {0, 1}
    assert len(read) == 50
    first.touch()
    assert ImageFolder(root=str(tmp_path), size=8).open().fingerprint == opened.fingerprint


def test_a_huge_row_group_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(stream, "PNG")
    images = pa.array([{"bytes": stream.getvalue()}] * 20_000)
    pq.write_table(pa.table({"image": images}), tmp_path / "all.parquet", row_group_size=20_000)
    read = []
    group = ParquetImages._read_group

    def counted(self: ParquetImages, name: str, number: int) -> pa.Table:
        read.append(number)
        return group(self, name, number)

    monkeypatch.setattr(ParquetImages, "_read_group", counted)
    opened = ImageParquet(root=str(tmp_path), label_column=None, size=8).open()
    assert len(opened.image_ids) == 20_000
    start = time.process_time()
    for image_id in opened.image_ids[:300]:
        opened.load(image_id)
    assert time.process_time() - start < 5
    assert read == [0]


@pytest.mark.slow
def test_a_clock_that_jumps_changes_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = iter(range(10**9))

    def now() -> float:
        return 1.7e9 + 400 * DAY * (-1) ** next(jumps)

    monkeypatch.setattr(time, "time", now)
    assert runner() == 0
    before = runner.files()
    page = (runner.folder / "report.html").read_bytes()
    for number, path in enumerate(sorted(runner.folder.rglob("*"))):
        moment = (1, 2**32)[number % 2]
        os.utime(path, (moment, moment))
    assert runner() == 0
    assert "Nothing to compute" in runner.output
    assert (runner.folder / "report.html").read_bytes() == page
    assert (runner.folder / "report.html").stat().st_mtime in {1, 2**32}, "drawn again for nothing"
    next(iter(sorted(runner.folder.rglob("*.parquet")))).unlink()
    assert runner() == 0
    assert runner.files().keys() == before.keys()


@pytest.mark.parametrize("began", ["1970-01-01 00:00:00", "2999-01-01 00:00:00", "never", None])
def test_a_lease_compares_no_clocks(monkeypatch: pytest.MonkeyPatch, began: str | None) -> None:
    for name in ("BEAT_SECONDS", "POLL_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(lease, name, 0.01)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.2)
    lock = Folder.at("memory://clocks").file(LOCK)
    lock.write(json.dumps({"owner": "other", "began": began}).encode())
    monkeypatch.setattr(time, "time", lambda: 0.0)
    with leased(lock, "memory://clocks", lambda _text: None):
        assert b"beats" in (lock.read() or b"")
    assert lock.read() is None
