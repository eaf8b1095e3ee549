"""Rows of a run folder read back, verified; what is damaged is passed over and taken note of."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DamagedError
from .files import Folder
from .parquet import decoded, num_errors, opened, row_groups
from .parts import CellName, Part, Piece, by_cell, pieces

ERROR_COLUMNS = ["dataset", "model", "explainer", "image_id", "error"]
NO_ERROR = pa.table({name: pa.array([], pa.string()) for name in ERROR_COLUMNS})

log = logging.getLogger(__name__)


class Reader:
    """Reads the rows of one run folder.

    Args:
        uri: where it is.
        folder: the same, opened.
    """

    def __init__(self, uri: str, folder: Folder) -> None:
        self.uri = uri
        self.folder = folder
        self.damaged: dict[str, str] = {}
        """Files that were passed over, and what is wrong with them."""

    def parts(self) -> list[Part]:
        """Return every complete part below explanations/ and scores/."""
        return [*self._parts("explanations"), *self._parts("scores")]

    def _parts(self, folder: str) -> list[Part]:
        found = map(Part.of, self.folder.list(folder))
        return [part for part in found if part is not None]

    def read_explanations(
        self, dataset: str, model: str, explainer: str, image_ids: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Return saliency_HW of each image that has one: all of them, or those asked for.

        Parts are read until all that were asked for are found.
        """
        wanted = None if image_ids is None else set(image_ids)
        found: dict[str, np.ndarray] = {}
        for maps in self.explanation_parts(dataset, model, explainer):
            found |= {name: maps[name] for name in maps if wanted is None or name in wanted}
            if wanted is not None and wanted <= found.keys():
                break
        return found

    def explanation_parts(
        self, dataset: str, model: str, explainer: str
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield saliency_HW of each image of a cell's masks, a few images at a time."""
        folder = CellName(dataset, model, explainer, None).folder
        for part, skipped in pieces(self._parts(folder)):
            try:
                yield from self._maps(part.path, skipped)
            except DamagedError as error:
                self._note(part.path, error)

    def read_part(self, path: str, span: tuple[int, int] | None = None) -> dict[str, np.ndarray]:
        """Return saliency_HW of each image of one explanation part.

        Args:
            span: the first and the last position that are wanted; None: all.

        Raises:
            DamagedError: it does not hold what was written.
        """
        part = Part.of(path)
        rows: tuple[int, int | None] = (0, None)
        if span and part:
            rows = max(span[0] - part.first, 0), span[1] - part.first
        found: dict[str, np.ndarray] = {}
        for maps in self._maps(path, *rows):
            found |= maps
        return found

    def _maps(
        self, path: str, first: int = 0, last: int | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        with self.folder.source(path) as source:
            for table in row_groups(opened(source, path), path, first, last):
                yield _maps(table)

    def score_cells(self, metric: str) -> Iterator[tuple[CellName, pa.Table]]:
        """Yield the rows of a metric, cell by cell; what is damaged is not among them."""
        for name, parts in by_cell(self._parts(f"scores/metric={metric}")).items():
            tables = list(self._tables(pieces(parts)))
            if tables:
                yield name, _joined(tables)

    def score_cell(self, name: CellName) -> pa.Table | None:
        """Return the rows of one cell of scores; None where it has none."""
        tables = list(self._tables(pieces(self._parts(name.folder))))
        return _joined(tables) if tables else None

    def score_rows(self, name: CellName, image_ids: Iterable[str]) -> list[dict[str, Any]]:
        """Return the rows of some images of a cell; parts are read until all are found."""
        wanted, rows = set(image_ids), []
        for piece in pieces(self._parts(name.folder)):
            for table in self._tables([piece]):
                found = table.filter(pc.is_in(table["image_id"], pa.array(wanted, pa.string())))
                rows += found.to_pylist()
            if len(rows) >= len(wanted):
                break
        return rows

    def _tables(self, found: Sequence[Piece]) -> Iterator[pa.Table]:
        contents = self.folder.map(self.folder.read, [piece.part.path for piece in found])
        for (part, skipped), content in zip(found, contents, strict=True):
            try:
                table = decoded(content, part.path, part)
                yield table.slice(skipped) if skipped else table
            except DamagedError as error:
                self._note(part.path, error)

    def read_scores(self, metric: str) -> pd.DataFrame:
        """Return all rows of a metric with all they hold, curves included; empty where none."""
        tables = [_named(name, table) for name, table in self.score_cells(metric)]
        if not tables:
            tables = [pa.table({name: [] for name in ("image_id", "value", "error")})]
        table = pa.concat_tables(tables, promote_options="default")
        frame = cast(pd.DataFrame, table.to_pandas())
        for name in ("dataset", "model", "explainer"):
            if name in frame:
                frame[name] = frame[name].astype(str)
        return frame

    def error_rows(self, metric: str) -> pa.Table:
        """Return the rows of a metric that have an error, with their dataset, model and explainer.

        Only the footers of other parts are read, and a part without one is taken note of.
        """
        found = [NO_ERROR]
        for name, parts in by_cell(self._parts(f"scores/metric={metric}")).items():
            for table in self._tables(self._with_errors(pieces(parts))):
                found.append(with_errors(name, table))
        return pa.concat_tables(found)

    def _with_errors(self, found: Sequence[Piece]) -> list[Piece]:
        """Return the parts that have a row with an error."""
        paths = [piece.part.path for piece in found]
        spoilt = self.folder.map(self._has_error, paths)
        return [piece for piece, is_bad in zip(found, spoilt, strict=True) if is_bad]

    def _has_error(self, path: str) -> bool:
        try:
            with self.folder.source(path) as source:
                return num_errors(opened(source, path).metadata) > 0
        except DamagedError as error:
            self._note(path, error)
            return False

    def roar_parts(self) -> list[str]:
        """Return the paths of all results of retraining jobs."""
        return [path for path in self.folder.list("roar") if path.endswith(".parquet")]

    def read_roar(self) -> pd.DataFrame:
        """Return the retraining jobs with their dataset, model and explainer; empty where none."""
        tables = []
        paths = self.roar_parts()
        for path, content in zip(paths, self.folder.map(self.folder.read, paths), strict=True):
            try:
                table = decoded(content, path)
            except DamagedError as error:
                self._note(path, error)
                continue
            dataset, model, explainer = (item.split("=", 1)[1] for item in path.split("/")[1:4])
            tables.append(_named(CellName(dataset, model, explainer, None), table))
        if not tables:
            return pd.DataFrame()
        return cast(pd.DataFrame, pa.concat_tables(tables, promote_options="default").to_pandas())

    def metrics(self) -> list[str]:
        """Return the names of the metrics that have a folder."""
        return sorted(path.partition("=")[2] for path in self.folder.entries("scores"))

    def row_files(self) -> list[str]:
        """Return the paths of every file of rows: masks, scores and retrainings."""
        return [*(part.path for part in self.parts()), *self.roar_parts()]

    def verify(self) -> Iterator[tuple[str, str | None]]:
        """Yield the path of every file of rows, and what is wrong with it or None."""
        paths = self.row_files()
        yield from zip(paths, self.folder.map(self._problem, paths), strict=True)

    def _problem(self, path: str) -> str | None:
        try:
            with self.folder.source(path) as source:
                for _ in row_groups(opened(source, path), path):
                    pass
        except DamagedError as error:
            self._note(path, error)
            return str(error)
        return None

    def _note(self, path: str, error: DamagedError) -> None:
        if path not in self.damaged:
            log.info("passed over: %s", error)
        self.damaged[path] = str(error)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of parts in one piece; a part of errors alone lacks its metric's columns."""
    return pa.concat_tables(tables, promote_options="default").combine_chunks()


def with_errors(name: CellName, table: pa.Table) -> pa.Table:
    """Return the rows of a cell that have an error."""
    rows = table.select(["image_id", "error"]).filter(table["error"].is_valid())
    return _named(name, rows).select(ERROR_COLUMNS)


def _named(name: CellName, table: pa.Table) -> pa.Table:
    """Return a table with the names of its cell as columns."""
    for column, value in name._asdict().items():
        if column != "metric":
            table = table.append_column(column, pa.repeat(pa.scalar(value), len(table)))
    return table


def _maps(table: pa.Table) -> dict[str, np.ndarray]:
    return {
        row["image_id"].as_py(): row["saliency"]
        .values.to_numpy(zero_copy_only=False)
        .reshape(row["height"].as_py(), row["width"].as_py())
        for row in _rows(table)
        if row["saliency"].is_valid
    }


def _rows(table: pa.Table) -> Iterable[dict[str, Any]]:
    names = table.column_names
    columns = [table.column(name) for name in names]
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))
