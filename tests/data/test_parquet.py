"""Images in Parquet files: ids, labels, names of classes, and what is wrong with a file."""

from __future__ import annotations

import dataclasses
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet as pq

from swagflow.data import ImageParquet
from swagflow.errors import ImageError, UserError

SIZE = 28
CLASSES = ["cat", "dog", "newt"]


def encoded(grey: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((32, 40, 3), grey, np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def write(path: Path, first: int, count: int, **columns: Any) -> None:
    """Write rows as Hugging Face does; picture number n is of grey n, its class n modulo 3."""
    numbers = range(first, first + count)
    images = [{"bytes": encoded(n), "path": f"{n}.png"} for n in numbers]
    features = {
        "image": {"_type": "Image"},
        "label": {"names": CLASSES, "_type": "ClassLabel"},
    }
    content = {"image": images, "label": [n % 3 for n in numbers], **columns}
    table = pa.table({name: values for name, values in content.items() if values is not None})
    about = json.dumps({"info": {"features": features}})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), path, row_group_size=3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "validation-00000-of-00002.parquet", 0, 7)
    write(tmp_path / "data" / "validation-00001-of-00002.parquet", 7, 4)
    write(tmp_path / "data" / "train-00000-of-00001.parquet", 20, 2)
    write(tmp_path / ".cache" / "validation-00009.parquet", 90, 1)
    return tmp_path


def config_of(root: Path, **fields: Any) -> ImageParquet:
    return ImageParquet(root=str(root), size=SIZE, **{"files": "*validation-*.parquet", **fields})


def test_every_row_is_found_by_its_id(root: Path) -> None:
    dataset = config_of(root).open()
    assert dataset.class_names == tuple(CLASSES)
    assert len(set(dataset.image_ids)) == len(dataset.image_ids) == 11
    for image_id in dataset.image_ids:
        file, _, row = image_id.rpartition("/")
        number = int(row) + (7 if file == "data/validation-00001-of-00002" else 0)
        sample = dataset.load(image_id)
        assert sample.label == number % 3
        wanted = torch.full((3, SIZE, SIZE), number / 255)
        torch.testing.assert_close(sample.image_CHW, wanted)


def test_order_and_fingerprint_do_not_depend_on_how_many_images(root: Path) -> None:
    everything = config_of(root).open()
    some = config_of(root, images=4).open()
    assert list(some.image_ids) == list(everything.image_ids)[:4]
    assert some.fingerprint == everything.fingerprint
    write(root / "data" / "validation-00001-of-00002.parquet", 7, 5)
    assert config_of(root).open().fingerprint != everything.fingerprint


def test_a_folder_chooses_the_files(root: Path) -> None:
    dataset = config_of(root, files="data/train-*.parquet").open()
    assert sorted(dataset.image_ids) == [f"data/train-00000-of-00001/00000{i}" for i in (0, 1)]
    assert len(config_of(root, files="*.parquet").open().image_ids) == 13


def test_a_uri_is_a_folder_too(root: Path) -> None:
    local = config_of(root).open()
    remote = dataclasses.replace(config_of(root), root=root.as_uri()).open()
    assert remote.fingerprint == local.fingerprint
    assert torch.equal(
        remote.load(local.image_ids[0]).image_CHW, local.load(local.image_ids[0]).image_CHW
    )


def test_bytes_may_stand_alone_and_labels_may_lack(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", 5, 3, picture=[encoded(n) for n in (5, 6, 7)], image=None)
    dataset = config_of(tmp_path, files="*", image_column="picture", label_column=None).open()
    sample = dataset.load("a/000002")
    assert sample.label is None
    torch.testing.assert_close(sample.image_CHW, torch.full((3, SIZE, SIZE), 7 / 255))
    assert dataset.class_names == ()


def test_rows_without_label_or_image(tmp_path: Path) -> None:
    rows = [{"bytes": encoded(1), "path": ""}, {"bytes": None, "path": "x"}, None]
    write(tmp_path / "a.parquet", 0, 3, image=rows, label=[-1, None, 2])
    dataset = config_of(tmp_path, files="*").open()
    assert dataset.load("a/000000").label is None
    for bad in ("a/000001", "a/000002"):
        with pytest.raises(ImageError, match="the row holds no image bytes"):
            dataset.load(bad)


def test_bad_pictures_are_errors_of_their_rows(tmp_path: Path) -> None:
    images = [{"bytes": encoded(9)[:60], "path": ""}, {"bytes": b"text", "path": ""}]
    write(tmp_path / "a.parquet", 0, 2, image=images)
    dataset = config_of(tmp_path, files="*").open()
    with pytest.raises(ImageError, match="cannot be decoded"):
        dataset.load("a/000000")
    with pytest.raises(ImageError, match="not an image in a format"):
        dataset.load("a/000001")
    for unknown in ("a/000002", "b/000000", "a/x"):
        with pytest.raises(ImageError, match=f"'{unknown}' is no row"):
            dataset.load(unknown)


def test_a_file_that_breaks_later_is_an_error_of_its_rows(root: Path) -> None:
    dataset = config_of(root).open()
    (root / "data" / "validation-00000-of-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(ImageError, match=r"row group 1 of data/validation-00000.* cannot be read"):
        dataset.load("data/validation-00000-of-00002/000004")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"files": "*test-*"}, r"there is no Parquet file '\*test-\*' in .*set `root`"),
        ({"root": "/nowhere"}, "there is no Parquet file .* in '/nowhere'"),
        ({"size": 0}, "`size` must be at least 1, got 0"),
        ({"images": 0}, "`images` must be at least 1, got 0"),
        ({"image_column": "img"}, "no column 'img'; set `image_column` to one of image, label"),
        ({"label_column": "y"}, "no column 'y'; set `label_column` to one of image, label"),
        ({"label_column": "image"}, r"'image' holds struct<.*>, not class numbers"),
    ],
)
def test_wrong_settings(root: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config_of(root), **fields).open()


def test_files_that_are_no_parquet_or_empty(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"text")
    with pytest.raises(UserError, match=r"a\.parquet cannot be read as Parquet"):
        config_of(tmp_path, files="*").open()
    write(tmp_path / "a.parquet", 0, 0)
    with pytest.raises(UserError, match="hold no rows"):
        config_of(tmp_path, files="*", label_column=None).open()
