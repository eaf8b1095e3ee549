"""Parquet files of a run folder: written with checksums, and verified where they are read."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DamagedError
from .parts import PART, SCHEMA_VERSION

COLUMNS = {
    "explanations": {"image_id": pa.string(), "saliency": pa.list_(pa.float32())},
    "scores": {"image_id": pa.string(), "value": pa.float64()},
    "roar": {"accuracy": pa.float64(), "removed_fraction": pa.float64()},
}
"""What every file below a folder has, besides the error of each row."""


def encoded(table: pa.Table, key: str, **options: Any) -> pa.Buffer:
    """Return a table as a file, with the key of the cell that its rows are of."""
    metadata = {"swagflow.cell_key": key, "swagflow.schema": str(SCHEMA_VERSION)}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        sink,
        compression="zstd",
        write_page_checksum=True,
        **options,
    )
    return sink.getvalue()


def decoded(content: bytes, path: str) -> pa.Table:
    """Return the table of a file.

    Pages are held against their checksums, which version 0.1 did not write, and the number of rows
    against the file's name.

    Raises:
        DamagedError: it does not hold what was written.
    """
    try:
        # A quarter of the time that read_table takes, which counts where there are many parts.
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise DamagedError(f"{path}: {str(error).splitlines()[0]}") from error
    match = PART.fullmatch(path)
    num_rows = int(match["last"]) - int(match["first"]) + 1 if match else 1
    if len(table) != num_rows:
        raise DamagedError(f"{path}: it has {len(table)} rows and its name says {num_rows}")
    for name, kind in {"error": pa.string(), **COLUMNS[path.partition("/")[0]]}.items():
        if name not in table.column_names or not _is_like(table.schema.field(name).type, kind):
            raise DamagedError(f"{path}: it has no column {name!r} of {kind}")
    return table


def _is_like(got: pa.DataType, wanted: pa.DataType) -> bool:
    """Compare types, whatever the elements of a list are called."""
    return re.sub(r"<\w+:", "<", str(got)) == re.sub(r"<\w+:", "<", str(wanted))
