"""Data sets in an object store: the same ids, labels, pictures and fingerprints as on a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from swagflow.data import Dataset
from swagflow.data.check import check_dataset
from swagflow.data.remote import RemotePath, place
from swagflow.errors import ImageError, StorageError, UserError
from swagflow.store import lease
from swagflow.store.run_folder import Store
from tests.data.test_data_sets_end_to_end import imagenet
from tests.support import archives, s3_server
from tests.support.runs import Runner, rows_of

pytestmark = pytest.mark.usefixtures("quick_report")


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with s3_server.serving():
        yield


def cub_with_masks(root: Path) -> None:
    archives.cub200(root)
    archives.cub_masks(root, archives.cub_names()[:10])


def flowers_with_mask(root: Path) -> None:
    archives.flowers102(root)
    archives.flower_mask(root, 9)


def classes(root: Path) -> None:
    for number in range(6):
        name = ("cat", "dog", "dog/old")[number % 3]
        archives.picture(root / name / f"{number}.jpg", seed=number)
    archives.picture(root / ".cache" / "0.jpg")
    (root / "notes.txt").write_text("no picture")


def flat(root: Path) -> None:
    for number in range(3):
        archives.picture(root / f"{number}.JPG", seed=number)
    (root / "broken.jpg").write_bytes(b"no picture")


def parquet(root: Path) -> None:
    for file in range(2):
        rows = []
        for number in range(3):
            path = root / "one.jpg"
            archives.picture(path, seed=10 * file + number)
            rows.append({"image": {"bytes": path.read_bytes()}, "label": number % 2})
            path.unlink()
        table = pa.Table.from_pylist(rows)
        pq.write_table(table, root / f"part-{file}.parquet", row_group_size=2)


TREES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "imagenet, flat": ("imagenet", archives.imagenet_flat),
    "imagenet, torchvision": ("imagenet", archives.imagenet_torchvision),
    "imagenet, boxes": ("imagenet", imagenet),
    "cub200": ("cub200", cub_with_masks),
    "stanford_dogs": ("stanford_dogs", archives.stanford_dogs),
    "flowers102": ("flowers102", flowers_with_mask),
    "classes": ("image_folder", classes),
    "flat": ("image_folder", flat),
    "parquet": ("image_parquet", parquet),
}


def upload(folder: Path, prefix: str) -> str:
    client = boto3.client("s3")
    # Tools that show buckets as folders leave such objects.
    client.put_object(Bucket=s3_server.BUCKET, Key=f"{prefix}/", Body=b"")
    for path in folder.rglob("*"):
        key = f"{prefix}/{path.relative_to(folder).as_posix()}"
        if path.is_dir():
            client.put_object(Bucket=s3_server.BUCKET, Key=f"{key}/", Body=b"")
        else:
            client.upload_file(str(path), s3_server.BUCKET, key)
    return f"s3://{s3_server.BUCKET}/{prefix}"


def loaded(dataset: Dataset, image_id: str) -> tuple[Any, ...]:
    try:
        sample = dataset.load(image_id)
    except ImageError as error:
        return (str(error),)
    return sample.image_CHW, sample.label, sample.boxes_N4, sample.mask_HW


def is_same(mine: Any, other: Any) -> bool:
    if isinstance(other, torch.Tensor):
        return isinstance(mine, torch.Tensor) and torch.equal(mine, other)
    return bool(mine == other)


TRAINING = ("imagenet, boxes", "cub200", "stanford_dogs", "flowers102")
CASES: list[Any] = [(tree, {}) for tree in TREES] + [
    pytest.param(tree, {"split": "train"}, marks=pytest.mark.slow) for tree in TRAINING
]


@pytest.mark.parametrize(("tree", "fields"), CASES)
def test_a_remote_data_set_is_the_local_one(
    tmp_path: Path, tree: str, fields: dict[str, str]
) -> None:
    name, write = TREES[tree]
    write(tmp_path)
    uri = upload(tmp_path, f"{tree.replace(', ', '-')}{len(fields)}")
    local = archives.opened(name, root=str(tmp_path), size=32, **fields)
    remote = archives.opened(name, root=f"{uri}/", size=32, **fields)
    assert list(remote.image_ids) == list(local.image_ids)
    assert list(remote.class_names) == list(local.class_names)
    assert remote.fingerprint == local.fingerprint
    assert len(local.image_ids) >= 3
    for image_id in local.image_ids:
        for mine, other in zip(loaded(remote, image_id), loaded(local, image_id), strict=True):
            assert is_same(mine, other), image_id


def test_a_picture_that_is_gone_is_an_error_of_its_own(tmp_path: Path) -> None:
    cub_with_masks(tmp_path)
    names = archives.cub_names()
    (tmp_path / "CUB_200_2011" / "images" / names[2]).unlink()
    uri = upload(tmp_path, "gone")
    local, remote = (archives.opened("cub200", root=root) for root in (str(tmp_path), uri))
    assert remote.fingerprint == local.fingerprint
    with pytest.raises(ImageError, match=f"the file is missing: {uri}/CUB_200_2011/images/"):
        remote.load(names[2])


@pytest.mark.parametrize("name", ["imagenet", "cub200", "image_folder", "image_parquet"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(UserError, match="s3://bucket/nowhere"):
        archives.opened(name, root="s3://bucket/nowhere")


def test_a_storage_that_fails_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat(tmp_path)
    dataset = archives.opened("image_folder", root=upload(tmp_path, "failing"))

    def refuse(*_: object) -> None:
        raise OSError("AWS Error ACCESS_DENIED")

    monkeypatch.setattr("swagflow.store.files._get", refuse)
    with pytest.raises(StorageError, match="ACCESS_DENIED"):
        dataset.load(dataset.image_ids[0])


def test_each_folder_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cub_with_masks(tmp_path)
    uri = upload(tmp_path, "once")
    listed: list[str] = []
    entries = type(place(uri)._tree.folder).entries  # type: ignore[union-attr]

    def counted(self: Any, relative: str = "", **options: Any) -> Any:
        listed.append(relative)
        return entries(self, relative, **options)

    monkeypatch.setattr("swagflow.store.files.Folder.entries", counted)
    dataset = archives.opened("cub200", root=uri)
    assert len(dataset.fingerprint) == 64
    assert len(listed) == len(set(listed))
    assert sum("images/" in name for name in listed) == len(archives.CUB_CLASSES)


def test_the_check_of_a_data_set(tmp_path: Path) -> None:
    archives.stanford_dogs(tmp_path)
    uri = upload(tmp_path, "checked")
    local, remote = (check_dataset("stanford_dogs", root) for root in (str(tmp_path), uri))
    assert remote.parts == local.parts


def test_paths_are_like_pathlibs(tmp_path: Path) -> None:
    classes(tmp_path)
    root = place(upload(tmp_path, "paths"))
    assert isinstance(root, RemotePath)
    assert str(root / "dog" / "1.jpg") == "s3://bucket/paths/dog/1.jpg"
    assert (root / "dog" / "1.jpg").parent == root / "dog"
    assert {path.name for path in root.glob("*")} == {p.name for p in tmp_path.glob("*")}
    assert sorted(str(p) for p in root.glob("d*/*.jpg")) == [
        f"{root}/dog/{name}.jpg" for name in (1, 4)
    ]
    assert (root / "dog").is_dir()
    assert not (root / "notes.txt").is_dir()
    assert not (root / "nothing").exists()
    assert (root / "notes.txt").read_text() == "no picture"
    for method in (RemotePath.stat, RemotePath.read_bytes):
        with pytest.raises(FileNotFoundError, match="nothing"):
            method(root / "nothing")


def test_a_run_of_remote_data_in_a_remote_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.0)
    (tmp_path / "pictures").mkdir()
    flat(tmp_path / "pictures")
    uri = upload(tmp_path / "pictures", "pictures")
    runs = [Runner(tmp_path / name) for name in ("local", "remote")]
    roots = [str(tmp_path / "pictures"), uri]
    for runner, root in zip(runs, roots, strict=True):
        runner.config.parent.mkdir()
        runner.uri = str(runner.folder) if root != uri else f"s3://{s3_server.BUCKET}/run"
        datasets = {"squares": {"type": "image_folder", "root": root, "size": 32}}
        assert runner(datasets=datasets, explainers={"centre": {}, "swag": {}}) == 1
        assert "not an image" in runner.output
    mine, other = (rows_of(Store(runner.uri)) for runner in runs)
    pd.testing.assert_frame_equal(mine, other, check_exact=True)
    # The place of the data is no part of what was computed.
    datasets = {"squares": {"type": "image_folder", "root": roots[0], "size": 32}}
    assert runs[1](datasets=datasets, explainers={"centre": {}, "swag": {}}) == 1
    assert "Nothing to compute" in runs[1].output
