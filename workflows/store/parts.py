"""Parts of a run folder: files of masks and scores, and what their names say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Cell:
    """Masks of one explainer (`metric` None), or one metric's scores of them."""

    dataset: str
    model: str
    explainer: str
    metric: str | None
    key: str
    """sha256 of everything that makes the numbers what they are."""

    @property
    def folder(self) -> str:
        root = "explanations" if self.metric is None else f"scores/metric={self.metric}"
        return f"{root}/dataset={self.dataset}/model={self.model}/explainer={self.explainer}"

    def part(self, first: int, last: int) -> str:
        return f"{self.folder}/{first:06d}-{last:06d}-{self.key[:KEY_DIGITS]}.parquet"


@dataclass(frozen=True)
class Part:
    """A stored file and what its name says of it."""

    path: str
    cell: tuple[str, str, str, str | None]
    key: str
    first: int
    last: int


@dataclass(frozen=True)
class Rows:
    """The images of a part, in order; an image with an error has no values."""

    image_ids: Sequence[str]
    errors: Sequence[str | None]
    targets: Sequence[int | None]


@dataclass(frozen=True)
class Maps:
    """Saliencies of the images of a part that have one, and how they were made."""

    saliency_BHW: np.ndarray
    seconds: float
    kind: Kind
