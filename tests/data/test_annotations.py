"""Boxes from XML: where they end, how they scale, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from swagflow.data.annotations import LARGEST_FILE, read_boxes_N4
from swagflow.errors import ImageError
from tests.support import archives


def test_boxes_end_after_their_last_pixel_and_within_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(archives.annotation([("dog", 0, 0, 127, 63), ("dog", 5, 6, 128, 64)]))
    boxes_N4 = read_boxes_N4(path, (128, 64))
    assert boxes_N4 is not None
    assert boxes_N4.tolist() == [[0, 0, 128, 64], [5, 6, 128, 64]]
    assert boxes_N4.dtype == torch.float32


def test_boxes_of_a_picture_of_another_size_are_scaled(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(archives.annotation([("dog", 20, 10, 59, 29)], size=(256, 32)))
    boxes_N4 = read_boxes_N4(path, (128, 64))
    assert boxes_N4 is not None
    assert boxes_N4.tolist() == [[10, 20, 30, 60]]


def test_an_annotation_without_the_class_has_no_box(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(archives.annotation([("dog", 20, 10, 59, 29)]))
    boxes_N4 = read_boxes_N4(path, (128, 64), "cat")
    assert boxes_N4 is not None
    assert boxes_N4.shape == (0, 4)
    assert read_boxes_N4(tmp_path / "none.xml", (128, 64)) is None


BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;">]>
<annotation><object><name>&y;</name></object></annotation>
"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB.encode(), "it declares the document type 'a'"),
        (BOMB.replace("1.0", '1.0" encoding="utf-16').encode("utf-16"), "the document type 'a'"),
        (b"<annotation>" + b" " * LARGEST_FILE, "it is larger than 1048576 bytes"),
        (b"<annotation><object>", "cannot be read: no element found"),
        (b"", "cannot be read: no element found"),
        (b"<a><object/></a>", "an object has no bndbox/xmin"),
        (archives.annotation([("dog", 1, 2, 3, 4)]).replace(">3<", ">nan<").encode(), "is 'nan'"),
        (archives.annotation([("dog", 1, 2, 3, 4)]).replace(">3<", ">x<").encode(), "could not"),
    ],
)
def test_annotations_that_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message):
        read_boxes_N4(path, (128, 64))
