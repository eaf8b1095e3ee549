"""Bounding boxes from annotation files in PASCAL VOC's XML, as ImageNet and its kin have them."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import torch
from torch import Tensor

from ..errors import ImageError
from .remote import Place

LARGEST_FILE = 2**20
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_boxes_N4(path: Place, size: tuple[int, int], name: str | None = None) -> Tensor | None:
    """Return the boxes of an annotation file as float32 x0, y0, x1, y1 in pixels of the picture.

    The file counts pixels from 0 and its last ones lie inside the box, so x1 = xmax + 1, at most
    the width. Where the file states another size of the picture than it has, the boxes are scaled.

    Args:
        path: the file; where it does not exist, there are no boxes.
        size: width and height of the picture.
        name: take objects of this name only; None: all.

    Raises:
        ImageError: the file is damaged, too large or declares a document type, which could hide
            entities that expand without bound.
    """
    try:
        root = _parse(path)
        return None if root is None else _boxes_N4(root, size, name)
    except (ET.ParseError, ValueError) as error:
        raise ImageError(f"annotation {path.name} cannot be read: {error}") from error


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        del pubid, system
        raise ValueError(f"it declares the document type {name!r}, which no annotation needs")


def _parse(path: Place) -> ET.Element | None:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE} bytes")
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    # Entities need a document type, which the builder refuses before any is expanded.
    return ET.fromstring(content, ET.XMLParser(target=_Builder()))  # noqa: S314


def _boxes_N4(root: ET.Element, size: tuple[int, int], name: str | None) -> Tensor:
    stated = (_number(root, "size/width", 0), _number(root, "size/height", 0))
    scale = [real / said if said > 0 else 1.0 for real, said in zip(size, stated, strict=True)]
    boxes = []
    for item in root.iter("object"):
        if name is None or item.findtext("name", "").strip() == name:
            x0, y0, x1, y1 = (_number(item, f"bndbox/{corner}") for corner in _CORNERS)
            boxes.append([x0, y0, x1 + 1, y1 + 1])
    boxes_N4 = torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4)
    boxes_N4 *= torch.tensor(scale * 2, dtype=torch.float64)
    return boxes_N4.clamp(min=0).minimum(torch.tensor(size * 2, dtype=torch.float64)).float()


def _number(element: ET.Element, path: str, default: float | None = None) -> float:
    text = element.findtext(path)
    if text is None:
        if default is None:
            raise ValueError(f"an object has no {path}")
        return default
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{path} is {text.strip()!r}")
    return value
