"""Parts of a run folder: files of masks and scores, and what their names say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from swag.types import Kind

SCHEMA_VERSION = 1
PART = re.compile(
    r"(?P<root>explanations|scores/metric=(?P<metric>[^/]+))/dataset=(?P<dataset>[^/]+)/"
    r"model=(?P<model>[^/]+)/explainer=(?P<explainer>[^/]+)/"
    r"(?P<first>\d+)-(?P<last>\d+)-(?P<key>[0-9a-f]+)\.parquet"
)
KEY_DIGITS = 16
EXPLANATION_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("target", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("saliency", pa.list_(pa.float32())),
        pa.field("seconds", pa.float32()),
        pa.field("error", pa.string()),
    ]
)


class Subject(NamedTuple):
    """What is explained: the images of a data set by a model."""

    dataset: str
    model: str

    @classmethod
    def of(cls, text: str) -> Subject:
        """Return the subject that `str` has made a text of."""
        dataset, _, model = text.partition("/")
        return cls(dataset, model)

    def __str__(self) -> str:
        return f"{self.dataset}/{self.model}"


class CellName(NamedTuple):
    """Whose rows they are: masks of an explainer (`metric` None), or a metric's scores of them."""

    dataset: str
    model: str
    explainer: str
    metric: str | None

    @property
    def subject(self) -> Subject:
        return Subject(self.dataset, self.model)

    @property
    def masks(self) -> CellName:
        """The masks that a cell's scores are of."""
        return self._replace(metric=None)

    @property
    def folder(self) -> str:
        root = "explanations" if self.metric is None else f"scores/metric={self.metric}"
        return f"{root}/dataset={self.dataset}/model={self.model}/explainer={self.explainer}"

    def part(self, key: str, first: int, last: int) -> str:
        """Return the path of a part; `key` is the first digits of the cell's."""
        return f"{self.folder}/{first:06d}-{last:06d}-{key}.parquet"


@dataclass(frozen=True)
class Cell:
    """Rows that one way of computing makes, whatever images they are of."""

    name: CellName
    key: str
    """sha256 of everything that makes the numbers what they are."""
    tuned: str = ""
    """Where the model that scores is, without the ending of a file; empty: the one explained."""

    def part(self, first: int, last: int) -> str:
        return self.name.part(self.key[:KEY_DIGITS], first, last)


@dataclass(frozen=True)
class Part:
    """A stored file and what its name says of it."""

    path: str
    cell: CellName
    key: str
    first: int
    last: int

    @classmethod
    def of(cls, path: str) -> Part | None:
        """Return what a path says; None where it is no part's."""
        match = PART.fullmatch(path)
        if not match:
            return None
        cell = CellName(match["dataset"], match["model"], match["explainer"], match["metric"])
        return cls(path, cell, match["key"], int(match["first"]), int(match["last"]))

    @property
    def num_rows(self) -> int:
        return self.last - self.first + 1


class Piece(NamedTuple):
    """A part, without the rows that another part has too."""

    part: Part
    skipped: int = 0
    """Its first rows that do not count."""


def by_cell(parts: Iterable[Part]) -> dict[CellName, list[Part]]:
    """Return the parts of each cell."""
    cells: dict[CellName, list[Part]] = {}
    for part in parts:
        cells.setdefault(part.cell, []).append(part)
    return cells


def pieces(parts: Iterable[Part]) -> list[Piece]:
    """Return the parts of one cell in order, so that no row of the same key is there twice.

    Of parts that overlap, as a compaction that was killed leaves them, the larger one counts.
    """
    keys: dict[str, list[Part]] = {}
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        keys.setdefault(part.key, []).append(part)
    found = [piece for own in keys.values() for piece in _pieces(own)]
    return sorted(found, key=lambda piece: (piece.part.first, piece.part.key))


def _pieces(parts: Iterable[Part]) -> Iterator[Piece]:
    """Yield parts that together have every row once; one that overlaps only where none fits."""
    reached = 0
    spare: Part | None = None
    for part in parts:
        if spare and part.first > reached and spare.last >= reached:
            yield Piece(spare, reached - spare.first)
            reached = spare.last + 1
        if part.first >= reached:
            yield Piece(part)
            reached = part.last + 1
        elif part.last >= max(reached, spare.last + 1 if spare else 0):
            spare = part
    if spare and spare.last >= reached:
        yield Piece(spare, reached - spare.first)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model says of images, and what they are; None where an image could not be loaded."""

    labels: Sequence[int | None]
    """None too where the data set has none, or other classes than the model."""
    predictions: Sequence[int | None]
    """Classes with the largest logit."""
    probabilities: Sequence[float | None]
    """Scores of the predicted classes, as the model's `output` makes them."""
    target_probabilities: Sequence[float | None]
    """The same of the classes that are explained."""


@dataclass(frozen=True)
class Rows:
    """The images of a part, in order; an image with an error has no values."""

    image_ids: Sequence[str]
    errors: Sequence[str | None]
    targets: Sequence[int | None]
    answers: Answers | None = None


@dataclass(frozen=True)
class Maps:
    """Saliencies of the images of a part that have one, and how they were made."""

    saliency_BHW: np.ndarray
    seconds: float
    kind: Kind
