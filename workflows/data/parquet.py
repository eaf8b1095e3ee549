"""Images in Parquet files, as Hugging Face stores data sets: one row per image."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
from pyarrow import fs
from pyarrow import parquet as pq

from ..errors import ImageError, UserError
from ..store.files import Folder
from .base import Sample, fingerprint, first, load_image, shuffled
from .framing import Frame, Resize, ResizeBy, Size

KEPT_GROUPS = 4
"""Row groups in memory; a group is read whole, whichever of its images is wanted."""


@dataclass(frozen=True, kw_only=True)
class ImageParquet:
    """Parquet files with a column of encoded images, and one of class numbers if there is.

    An image's id is its file's path without the ending, and the row in it.
    """

    root: str
    """Folder or URI (s3://, gs://)."""
    files: str = "*.parquet"
    """Which files below `root`; `*` stands for any characters, folders included. A split of its own
    is chosen here, such as `*validation-*.parquet`."""
    image_column: str = "image"
    """Holds the encoded bytes, or a structure with a field `bytes`."""
    label_column: str | None = "label"
    """Holds class numbers from 0, -1 where unknown; None: there are no labels."""
    images: int | None = None
    """At most so many; None: all."""
    size: Size = 224
    """Height and width for the network."""
    resize: ResizeBy = Resize()
    """How pictures become that large."""

    def open(self) -> ParquetImages:
        return ParquetImages(self)


@dataclass(frozen=True)
class _File:
    path: str
    """Inside the filesystem."""
    length: int
    """Bytes."""
    ends: tuple[int, ...]
    """How many rows there are up to each row group's end."""

    @property
    def num_rows(self) -> int:
        return self.ends[-1] if self.ends else 0


class ParquetImages:
    """The data set of an `ImageParquet`."""

    def __init__(self, config: ImageParquet) -> None:
        self.config = config
        self.frame = Frame.by(config.size, config.resize)
        self.input_size = self.frame.size
        remote = "://" in config.root
        self._folder = Folder.at(config.root if remote else str(Path(config.root).expanduser()))
        listed = self._listed()
        inspected = list(self._folder.map(lambda name: self._inspect(listed[name]), listed))
        self._files = {
            name.removesuffix(".parquet"): file
            for name, (file, _) in zip(listed, inspected, strict=True)
        }
        self._names = next((names for _, names in inspected if names), ())
        rows = (
            f"{name}/{row:06d}"
            for name, file in self._files.items()
            for row in range(file.num_rows)
        )
        self.image_ids: Sequence[str] = first(shuffled(rows), config.images)
        if not self.image_ids:
            raise UserError(f"the Parquet files in {config.root!r} hold no rows")
        self._reading = Lock()
        self._group = lru_cache(KEPT_GROUPS)(self._read_group)

    @property
    def class_names(self) -> Sequence[str]:
        """Names from the files' own description of their features; empty where they have none."""
        return self._names

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of names, lengths and rows of all files and of the columns in use."""
        config = self.config
        about = [config.image_column, str(config.label_column), str(self.frame)]
        listing = [
            f"{name} {file.length} {file.ends}" for name, file in sorted(self._files.items())
        ]
        return fingerprint(["image_parquet 1", *about, *listing])

    def load(self, image_id: str) -> Sample:
        name, _, row = image_id.rpartition("/")
        file = self._files.get(name)
        if file is None or not row.isdecimal() or int(row) >= file.num_rows:
            raise ImageError(f"{image_id!r} is no row of the Parquet files")
        group = bisect_right(file.ends, int(row))
        place = int(row) - (file.ends[group - 1] if group else 0)
        try:
            with self._reading:
                table = self._group(name, group)
            values = table.slice(place, 1).to_pylist()[0]
        except (OSError, pa.ArrowException) as error:
            raise ImageError(f"row group {group} of {name} cannot be read: {error}") from error
        image = values[self.config.image_column]
        data = image.get("bytes") if isinstance(image, dict) else image
        if not isinstance(data, bytes):
            raise ImageError("the row holds no image bytes")
        image_CHW, _framing = load_image(BytesIO(data), self.frame)
        return Sample(image_id=image_id, image_CHW=image_CHW, label=self._label(values))

    def _label(self, values: dict[str, Any]) -> int | None:
        label = values.get(self.config.label_column or "")
        return None if label is None or label < 0 else int(label)

    def _listed(self) -> dict[str, fs.FileInfo]:
        """Return the chosen files by their names below `root`."""
        entries = self._folder.entries(recursive=True)
        chosen = {
            name: entries[name]
            for name in sorted(entries)
            if entries[name].type == fs.FileType.File
            and fnmatchcase(name, self.config.files)
            and not f"/{name}".count("/.")
        }
        if not chosen:
            raise UserError(
                f"there is no Parquet file {self.config.files!r} in {self.config.root!r}; set "
                "`root` to the folder that holds them and `files` to which of them to take"
            )
        return chosen

    def _inspect(self, info: fs.FileInfo) -> tuple[_File, tuple[str, ...]]:
        """Return what a file holds, by its footer, and the classes that it names."""
        try:
            with self._folder.filesystem.open_input_file(info.path) as stream:
                file = pq.ParquetFile(stream)
                schema, metadata = file.schema_arrow, file.metadata
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{info.path} cannot be read as Parquet: {error}") from error
        self._check_columns(info.path, schema)
        groups = range(metadata.num_row_groups)
        ends = accumulate(metadata.row_group(group).num_rows for group in groups)
        names = _class_names(schema, self.config.label_column)
        return _File(info.path, info.size, tuple(ends)), names

    def _check_columns(self, path: str, schema: pa.Schema) -> None:
        wanted = {"image_column": self.config.image_column}
        if self.config.label_column is not None:
            wanted["label_column"] = self.config.label_column
        for field, column in wanted.items():
            if column not in schema.names:
                raise UserError(
                    f"{path} has no column {column!r}; set `{field}` to one of "
                    f"{', '.join(schema.names)}"
                )
        label = self.config.label_column
        if label is not None and not pa.types.is_integer(schema.field(label).type):
            raise UserError(
                f"{path}: column {label!r} holds {schema.field(label).type}, not class numbers; "
                "set `label_column` to another, or to null to do without labels"
            )

    def _read_group(self, name: str, group: int) -> pa.Table:
        columns = [self.config.image_column]
        if self.config.label_column is not None:
            columns.append(self.config.label_column)
        with self._folder.filesystem.open_input_file(self._files[name].path) as stream:
            return pq.ParquetFile(stream).read_row_group(group, columns=columns)


def _class_names(schema: pa.Schema, column: str | None) -> tuple[str, ...]:
    """Return the names of a column's classes from the description that Hugging Face leaves."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(text)["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
