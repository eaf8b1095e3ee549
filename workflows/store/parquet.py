"""Parquet files of a run folder: written with checksums, and verified where they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from swag.types import Kind

from ..errors import DamagedError
from .parts import SCHEMA_VERSION, Part

COLUMNS = {
    "explanations": {
        "error": pa.string(),
        "image_id": pa.string(),
        "saliency": pa.list_(pa.float32()),
    },
    "scores": {"error": pa.string(), "image_id": pa.string(), "value": pa.float64()},
    "roar": {"error": pa.string(), "accuracy": pa.float64(), "removed_fraction": pa.float64()},
}
"""What every file below a folder has."""

CELL_KEY = b"swagflow.cell_key"
GROUP_BYTES = 2**24
"""Of a table in memory, what is read of its file at once."""
SMALL_BYTES = 2**18
"""A table of less in memory is written plainly."""
PLAIN: dict[str, Any] = {
    "compression": "snappy",
    "use_dictionary": False,
    "write_statistics": ["error"],
}
"""Of a small file nearly all time of reading is setting up: of zstd, and of a dictionary that saves
nothing, for each column."""


def with_key(schema: pa.Schema, key: str) -> pa.Schema:
    """Return a schema with the key of the cell that its rows are of."""
    return schema.with_metadata({CELL_KEY: key, "swagflow.schema": str(SCHEMA_VERSION)})


def encoded(table: pa.Table, key: str, **options: Any) -> pa.Buffer:
    """Return a table as a file, with the key of the cell that its rows are of."""
    sink = pa.BufferOutputStream()
    if not options and table.nbytes < SMALL_BYTES:
        options = PLAIN
    pq.write_table(
        table.replace_schema_metadata(with_key(table.schema, key).metadata),
        sink,
        write_page_checksum=True,
        row_group_size=group_size(table),
        **{"compression": "zstd", **options},
    )
    return sink.getvalue()


def group_size(table: pa.Table) -> int:
    """Return how many rows a row group of a table has."""
    return max(1, int(GROUP_BYTES * len(table) // max(table.nbytes, 1)))


def mask_options(kind: Kind) -> dict[str, Any]:
    """Return how masks are packed: those of regions have few different values."""
    values, pixels = "saliency.list.element", kind == "pixel"
    return {
        "use_dictionary": ["image_id"] if pixels else ["image_id", values],
        "use_byte_stream_split": [values] if pixels else False,
    }


def decoded(content: bytes, path: str, part: Part | None = None) -> pa.Table:
    """Return the table of a file.

    Pages are held against their checksums, which version 0.1 did not write, and the number of rows
    against the file's name.

    Raises:
        DamagedError: it does not hold what was written.
    """
    file = opened(pa.BufferReader(content), path, part)
    try:
        # A quarter of the time that read_table takes, which counts where there are many parts.
        return file.read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def opened(source: pa.NativeFile, path: str, part: Part | None = None) -> pq.ParquetFile:
    """Return a file whose footer says what its name says.

    Args:
        source: the file.
        path: its name.
        part: what the name says, where that is known.

    Raises:
        DamagedError: it has no footer, or another.
    """
    try:
        file = pq.ParquetFile(source, page_checksum_verification=True)
        schema = file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error
    part = part or Part.of(path)
    wanted = part.num_rows if part else 1
    if file.metadata.num_rows != wanted:
        raise DamagedError(
            f"{path}: it has {file.metadata.num_rows} rows and its name says {wanted}"
        )
    for name, kind in COLUMNS[path.partition("/")[0]].items():
        column = schema.get_field_index(name)
        if column < 0 or not _is_like(schema.field(column).type, kind):
            raise DamagedError(f"{path}: it has no column {name!r} of {kind}")
    return file


def row_groups(
    file: pq.ParquetFile, path: str, first: int = 0, last: int | None = None
) -> Iterator[pa.Table]:
    """Yield the rows of a file from `first` to `last`, a row group at a time.

    Raises:
        DamagedError: it does not hold what was written.
    """
    begin = 0
    for number in range(file.num_row_groups):
        end = begin + file.metadata.row_group(number).num_rows
        if end > first and (last is None or begin <= last):
            try:
                table = file.read_row_group(number, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise _damaged(path, error) from error
            skipped = max(first - begin, 0)
            yield table.slice(skipped, None if last is None else last + 1 - begin - skipped)
        begin = end


def num_errors(metadata: pq.FileMetaData) -> int:
    """Return how many rows have an error, from a footer, so that no row is read."""
    paths = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    counts = [group.column(paths.index("error")).statistics.null_count for group in groups]
    return int(metadata.num_rows - sum(counts))


def _damaged(path: str, error: Exception) -> DamagedError:
    return DamagedError(f"{path}: {str(error).splitlines()[0]}")


@cache
def _is_like(got: pa.DataType, wanted: pa.DataType) -> bool:
    """Compare types, whatever the elements of a list are called."""
    return re.sub(r"<\w+:", "<", str(got)) == re.sub(r"<\w+:", "<", str(wanted))
