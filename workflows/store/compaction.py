"""Many small parts of a run folder become few large ones, with the same rows.

A large part is written before the small ones are deleted. Until they are, and after a kill, readers
and plans count the large one alone (`parts.pieces`), so that no row is lost or there twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DamagedError
from .described import Described
from .files import READERS
from .parquet import CELL_KEY, decoded, group_size, mask_options, opened, row_groups, with_key
from .parts import CellName, Part, by_cell, pieces
from .run_folder import Store

PART_BYTES = 2**28
"""Of a part's rows in memory; as a file they take less."""
MOST_AHEAD = 4
"""Parts that are read before they are needed; those of masks are megabytes."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compacted:
    """What a compaction has done."""

    before: int = 0
    """Parts that became others."""
    after: int = 0

    def __add__(self, other: Compacted) -> Compacted:
        return Compacted(self.before + other.before, self.after + other.after)


def compact(
    store: Store,
    described: Described,
    *,
    masks: bool = True,
    at_least: int = 2,
    tell: Callable[[str], None] = lambda _: None,
) -> Compacted:
    """Make few large parts of the small ones of a run folder, whose only driver this must be.

    Args:
        masks: of masks too, not of scores alone.
        at_least: so many parts a cell must have.
        tell: called with each cell that was looked at.
    """
    compactor, done = Compactor(store, described), Compacted()
    for name, parts in by_cell(store.parts()).items():
        wanted = name.metric is not None or masks
        if wanted and len(parts) >= at_least and not described.is_timing(name.metric):
            done += compactor.compact(parts)
        tell(name.folder)
    return done


class Compactor:
    """Makes few large parts of the small ones of cells.

    Args:
        store: the run folder.
        described: says how many images a small part has, and how masks are packed.
    """

    def __init__(self, store: Store, described: Described) -> None:
        self._store = store
        self._described = described
        self._shard_size = described.shard_size

    def compact(self, parts: Sequence[Part]) -> Compacted:
        """Join the small parts of one cell that follow each other; a damaged one stays as it is."""
        self._forget_contained(parts)
        done = Compacted()
        for row in self._rows_of_parts(parts):
            done += self._join(row)
        return done

    def _forget_contained(self, parts: Sequence[Part]) -> None:
        """Delete what a compaction that was killed has left."""
        kept = {piece.part.path for piece in pieces(parts)}
        self._store.folder.delete_all([part.path for part in parts if part.path not in kept])

    def _rows_of_parts(self, parts: Sequence[Part]) -> Iterator[list[Part]]:
        """Yield rows of small parts of one key, each of which begins where the last one ends."""
        for key in sorted({part.key for part in parts}):
            row: list[Part] = []
            reached = -1
            for part, skipped in pieces([part for part in parts if part.key == key]):
                small = not skipped and part.num_rows <= self._shard_size
                if not (small and part.first == reached + 1):
                    yield row
                    row = []
                row += [part] if small else []
                reached = part.last
            yield row

    def _join(self, row: Sequence[Part]) -> Compacted:
        if len(row) < 2:
            return Compacted()
        done = Compacted()
        for joined, tables in self._batches(row):
            if len(joined) > 1:
                self._write(joined[0], joined[-1].last, tables)
                self._store.folder.delete_all([part.path for part in joined])
                done += Compacted(len(joined), 1)
        return done

    def _batches(self, row: Sequence[Part]) -> Iterator[tuple[list[Part], list[pa.Table]]]:
        """Yield as many parts that follow each other as make a large one, with their tables."""
        joined: list[Part] = []
        tables: list[pa.Table] = []
        size = 0
        paths = [part.path for part in row]
        ahead = MOST_AHEAD if row[0].cell.metric is None else READERS
        contents = self._store.folder.map(self._store.folder.read, paths, at_once=ahead)
        for part, content in zip(row, contents, strict=True):
            try:
                table = decoded(content, part.path)
            except DamagedError as error:
                log.warning("left as it is: %s", error)
                table = None
            if joined and (table is None or size >= PART_BYTES):
                yield joined, tables
                joined, tables, size = [], [], 0
            if table is not None:
                joined.append(part)
                tables.append(table)
                size += table.nbytes
        if joined:
            yield joined, tables

    def _write(self, like: Part, last: int, tables: Iterable[pa.Table]) -> None:
        """Store rows as one part of a cell, from the first position of one of its parts."""
        table = pa.concat_tables(tables, promote_options="default")
        key = (table.schema.metadata or {}).get(CELL_KEY, like.key.encode()).decode()
        schema = with_key(table.schema, key)
        name = like.cell
        options = self._options(name)
        per_group = group_size(table)
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(
            sink, schema, compression="zstd", write_page_checksum=True, **options
        ) as writer:
            for first in range(0, len(table), per_group):
                writer.write_table(
                    table.slice(first, per_group).replace_schema_metadata(schema.metadata)
                )
        content = sink.getvalue()
        self._store.folder.write(name.part(like.key, like.first, last), content)
        log.info("%s: rows %d to %d are one part now", name.folder, like.first, last)

    def _options(self, name: CellName) -> dict[str, Any]:
        if name.metric is not None:
            return {}
        known = name.explainer in self._described.explainers
        return mask_options(self._described.kind(name.explainer) if known else "pixel")

    def forget(self, path: str) -> None:
        """Delete a damaged file; of a large part the shards that can be read stay."""
        part = Part.of(path)
        spoilt = self._unreadable(part) if part and part.num_rows > self._shard_size else None
        if part and spoilt:
            self.take_out(part, spoilt)
        else:
            self._store.folder.delete(path)

    def _unreadable(self, part: Part) -> list[int] | None:
        """Return the positions of the rows that cannot be read; None where none can."""
        found: list[int] = []
        try:
            with self._store.folder.source(part.path) as source:
                file = opened(source, part.path)
                first = 0
                for number in range(file.num_row_groups):
                    end = first + file.metadata.row_group(number).num_rows
                    try:
                        list(row_groups(file, part.path, first, end - 1))
                    except DamagedError:
                        found += range(part.first + first, part.first + end)
                    first = end
        except DamagedError:
            return None
        return found if len(found) < part.num_rows else None

    def take_out_errors(self, part: Part) -> None:
        """Delete the shards of a large part that have an error; all other rows stay."""
        with self._store.folder.source(part.path) as source:
            tables = row_groups(opened(source, part.path), part.path)
            error_N = np.concatenate([own["error"].is_valid().to_numpy() for own in tables])
        self.take_out(part, (part.first + np.flatnonzero(error_N)).tolist())

    def take_out(self, part: Part, spoilt: Collection[int]) -> None:
        """Delete the shards of a large part in which some rows lie; all other rows stay.

        Args:
            spoilt: positions of rows.
        """
        paths = [self._keep(part, begin, end) for begin, end in self._stretches(part, spoilt)]
        self._store.folder.delete(part.path)
        log.info("%s: its rows without those of %d shards are in %s", part.path, len(spoilt), paths)

    def _stretches(self, part: Part, spoilt: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield first and last of the rows between the shards that are taken out."""
        size = self._shard_size
        taken = sorted({position // size for position in spoilt})
        edges = [part.first // size - 1, *taken, part.last // size + 1]
        for before, after in pairwise(edges):
            first, last = max((before + 1) * size, part.first), min(after * size - 1, part.last)
            if first <= last:
                yield first, last

    def _keep(self, part: Part, first: int, last: int) -> str:
        with self._store.folder.source(part.path) as source:
            file = opened(source, part.path)
            tables = list(row_groups(file, part.path, first - part.first, last - part.first))
        like = Part(part.path, part.cell, part.key, first, last)
        self._write(like, last, tables)
        return part.cell.part(part.key, first, last)
