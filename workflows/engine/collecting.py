"""The parts of a shard: rows are collected batch by batch, and each cell's are written once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from swag.types import Score

from ..store.parquet import mask_options
from ..store.parts import Cell, Maps, Rows
from ..store.run_folder import Store
from ..store.tables import masks_table, scores_table
from .plan import Shard


class Parts:
    """Writes a part for each cell as soon as it has a row for every image of the shard.

    Args:
        store: where.
        shard: which images, in order.
    """

    def __init__(self, store: Store, shard: Shard) -> None:
        self._store = store
        self._shard = shard
        self._tables: dict[Cell, list[pa.Table]] = {}
        self.num_errors = 0
        """Rows that were written with an error."""

    def add_masks(self, cell: Cell, rows: Rows, maps: Maps) -> None:
        """Add a batch's saliencies; see `masks_table`."""
        self._add(cell, masks_table(rows, maps), mask_options(maps.kind))

    def add_scores(self, cell: Cell, rows: Rows, score: Score) -> None:
        """Add a batch's scores; see `scores_table`."""
        self._add(cell, scores_table(rows, score), {})

    def forget(self, cells: Iterable[Cell]) -> None:
        """Drop what was added of some cells and is not written."""
        for cell in cells:
            self._tables.pop(cell, None)

    def _add(self, cell: Cell, table: pa.Table, options: dict[str, Any]) -> None:
        tables = self._tables.setdefault(cell, [])
        tables.append(table)
        if sum(map(len, tables)) < len(self._shard.image_ids):
            return
        # A batch that failed lacks its metric's own columns.
        whole = pa.concat_tables(self._tables.pop(cell), promote_options="default")
        self._store.write_table(cell.part(*self._shard.span), whole, cell.key, **options)
        self.num_errors += len(whole) - whole["error"].null_count
