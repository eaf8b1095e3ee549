"""Pictures of the browser of images: those of one image, and where a page finds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..report.sections import Section
from ..report.source import Run
from .gallery import Shown, jpeg, overlay
from .scrubber import curve_rows
from .templates import jpeg_uri

FOLDER = "pictures"
MOST_BYTES = 6_000_000
"""Of pictures inside a page; where there are more, all lie in a folder beside it."""
MOST_CURVES = 3

Curves = dict[str, dict[str, list[float]]]
"""Of an image, by metric and method."""


@dataclass(frozen=True)
class Pictured:
    """An image with its maps and curves, and the key by which a page knows it."""

    key: str
    shown: Shown
    curves: Curves

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the pictures by their paths in the run folder."""
        image_HWC = self.shown.image_HWC
        if image_HWC is not None:
            yield self._path("image"), jpeg(image_HWC)
        for method, saliency_HW in self.shown.saliency.items():
            yield self._path(f"map-{method}"), jpeg(overlay(image_HWC, saliency_HW))

    def plain(self, address: Mapping[str, str]) -> dict[str, Any]:
        """Return what the page draws from; `address` has each picture's by its path."""
        tiles = {name: address[self._path(f"map-{name}")] for name in self.shown.saliency}
        return {
            "image": address.get(self._path("image")),
            "tiles": tiles,
            "curves": self.curves,
        }

    def _path(self, name: str) -> str:
        return f"{FOLDER}/{self.key}/{name}.jpg"


def placed(pictured: Sequence[Pictured]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what the page draws from by key, and the files that it needs beside it."""
    files = {path: content for item in pictured for path, content in item.files()}
    is_inside = sum(map(len, files.values())) <= MOST_BYTES
    address = {path: jpeg_uri(content) if is_inside else path for path, content in files.items()}
    return {item.key: item.plain(address) for item in pictured}, {} if is_inside else files


def curves_of(run: Run, sections: Sequence[Section], shown: Sequence[Shown]) -> list[Curves]:
    """Return the curves of each image by the first metrics whose points are evenly spread."""
    found: list[Curves] = [{} for _ in shown]
    even = [section.metric for section in sections if not section.text.points]
    for metric in even[:MOST_CURVES]:
        rows = curve_rows(run, metric, shown)
        for item, curves in zip(shown, found, strict=True):
            own = (item.dataset, item.model, item.image_id)
            known = {name: rows[*own, name] for name in item.saliency if (*own, name) in rows}
            if known:
                curves[metric] = {name: _rounded(row["curve"]) for name, row in known.items()}
    return found


def _rounded(curve: Sequence[float]) -> list[float]:
    return [round(float(score), 3) for score in curve]
