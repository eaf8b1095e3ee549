"""The run folder: masks and scores as Parquet parts that appear complete or not at all.

    benchmark.yaml, provenance.json
    explanations/dataset=D/model=M/explainer=E/FIRST-LAST-KEY.parquet
    scores/metric=X/dataset=D/model=M/explainer=E/FIRST-LAST-KEY.parquet

FIRST and LAST are positions in the data set's order of image ids, KEY the first digits of the
cell's key, so a listing of names tells what is stored and nothing has to be opened to resume.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from swag.types import Score

from ..errors import DamagedError, UserError
from .described import Described
from .files import Folder
from .parquet import decoded, encoded
from .parts import EXPLANATION_SCHEMA, PART, Answers, Cell, CellName, Maps, Part, Rows

BENCHMARK = "benchmark.yaml"
PROVENANCE = "provenance.json"

log = logging.getLogger(__name__)


class Store:
    """Reads and writes one run folder.

    Args:
        uri: where it is.
        begun: it has a benchmark.yaml, and is not made anew should it vanish.
    """

    def __init__(self, uri: str, *, begun: bool = False) -> None:
        self.uri = uri
        self.folder = replace(Folder.at(uri), marker=BENCHMARK if begun else "")
        self.damaged: dict[str, str] = {}
        """Files that were passed over, and what is wrong with them."""

    def parts(self) -> list[Part]:
        """Return every complete part below explanations/ and scores/."""
        found = []
        for path in (*self.folder.list("explanations"), *self.folder.list("scores")):
            match = PART.fullmatch(path)
            if match:
                cell = CellName(
                    match["dataset"], match["model"], match["explainer"], match["metric"]
                )
                span = int(match["first"]), int(match["last"])
                found.append(Part(path, cell, match["key"], *span))
        return found

    def write_explanations(self, cell: Cell, span: tuple[int, int], rows: Rows, maps: Maps) -> None:
        """Store saliencies; `maps.saliency_BHW` has a row for each image without an error."""
        good = [index for index, error in enumerate(rows.errors) if error is None]
        saliency = dict(zip(good, maps.saliency_BHW, strict=True))
        height, width = maps.saliency_BHW.shape[1:]
        every = range(len(rows.errors))
        table = pa.table(
            {
                "image_id": list(rows.image_ids),
                "target": list(rows.targets),
                "height": [height if index in saliency else None for index in every],
                "width": [width if index in saliency else None for index in every],
                "saliency": [
                    saliency[index].ravel() if index in saliency else None for index in every
                ],
                "seconds": [maps.seconds if index in saliency else None for index in every],
                "error": list(rows.errors),
            },
            schema=EXPLANATION_SCHEMA,
        )
        values = "saliency.list.element"
        pixels = maps.kind == "pixel"
        self.write_table(
            cell.part(*span),
            table,
            cell.key,
            use_dictionary=["image_id"] if pixels else ["image_id", values],
            use_byte_stream_split=[values] if pixels else False,
        )

    def write_scores(self, cell: Cell, span: tuple[int, int], rows: Rows, score: Score) -> None:
        """Store scores; `score` has a row for each image without an error."""
        good = [index for index, error in enumerate(rows.errors) if error is None]

        def spread(values: Any, kind: pa.DataType) -> pa.Array:
            column: list[Any] = [None] * len(rows.errors)
            for index, value in zip(good, values, strict=True):
                column[index] = value
            return pa.array(column, kind)

        columns = {
            "image_id": pa.array(list(rows.image_ids), pa.string()),
            "target": pa.array(list(rows.targets), pa.int32()),
            "value": spread([_null_if_nan(v) for v in score.value_B.tolist()], pa.float64()),
            "curve": spread(
                [None] * len(good) if score.curve_BT is None else score.curve_BT.cpu().numpy(),
                pa.list_(pa.float32()),
            ),
            "error": pa.array(list(rows.errors), pa.string()),
            **_answered(rows.answers),
        }
        for name, values in score.columns.items():
            if isinstance(values, tuple):
                columns[name] = spread(values, pa.string())
                continue
            element = pa.from_numpy_dtype(values.cpu().numpy().dtype)
            if values.ndim == 1:
                columns[name] = spread([_null_if_nan(v) for v in values.tolist()], element)
            else:
                columns[name] = spread(values.cpu().numpy(), pa.list_(element))
        self.write_table(cell.part(*span), pa.table(columns), cell.key)

    def write_table(self, path: str, table: pa.Table, key: str, **options: Any) -> None:
        """Store rows of a cell's key as one file, which appears whole or not at all."""
        content = encoded(table, key, **options)
        self.folder.write(path, content)
        log.debug("%s is written, %d bytes", path, content.size)

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
        """Yield `read_part` of each part of a cell's masks."""
        folder = f"explanations/dataset={dataset}/model={model}/explainer={explainer}"
        for path in self.folder.list(folder):
            table = self._intact(path) if PART.fullmatch(path) else None
            if table is not None:
                yield _maps(table)

    def read_part(self, path: str) -> dict[str, np.ndarray]:
        """Return saliency_HW of each image of one explanation part.

        Raises:
            DamagedError: it does not hold what was written.
        """
        return _maps(self._read(path))

    def read_scores(self, metric: str) -> pd.DataFrame:
        """Return the rows of a metric with their dataset, model and explainer; empty where none."""
        table = self._table(f"scores/metric={metric}")
        frame = cast(pd.DataFrame, table.to_pandas())
        for name in ("dataset", "model", "explainer"):
            if name in frame:
                frame[name] = frame[name].astype(str)
        return frame

    def roar_parts(self) -> list[str]:
        """Return the paths of all results of retraining jobs."""
        return [path for path in self.folder.list("roar") if path.endswith(".parquet")]

    def read_roar(self) -> pd.DataFrame:
        """Return the retraining jobs with their dataset, model and explainer; empty where none."""
        paths = self.roar_parts()
        frames = []
        for path, table in zip(paths, self.folder.map(self._intact, paths), strict=True):
            names = dict(item.split("=", 1) for item in path.split("/")[1:4])
            if table is not None:
                frames.append(table.to_pandas().assign(**names))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def metrics(self) -> list[str]:
        """Return the names of the metrics that have a folder."""
        return sorted(path.partition("=")[2] for path in self.folder.entries("scores"))

    def row_files(self) -> list[str]:
        """Return the paths of every file of rows: masks, scores and retrainings."""
        return [*(part.path for part in self.parts()), *self.roar_parts()]

    def verify(self) -> Iterator[tuple[str, str | None]]:
        """Yield the path of every file of rows, and what is wrong with it or None."""
        paths = self.row_files()
        for path, table in zip(paths, self.folder.map(self._intact, paths), strict=True):
            yield path, self.damaged[path] if table is None else None

    def _read(self, path: str) -> pa.Table:
        return decoded(self.folder.read(path), path)

    def _intact(self, path: str) -> pa.Table | None:
        """Return a file's table; take note of it and return None where it is damaged."""
        try:
            return self._read(path)
        except DamagedError as error:
            if path not in self.damaged:
                log.info("passed over: %s", error)
            self.damaged[path] = str(error)
            return None

    def _table(self, folder: str) -> pa.Table:
        paths = [path for path in self.folder.list(folder) if PART.fullmatch(path)]
        tables = [table for table in self.folder.map(self._named, paths) if table is not None]
        if not tables:
            return pa.table({name: [] for name in ("image_id", "value", "error")})
        # A part of errors alone lacks its metric's columns.
        return pa.concat_tables(tables, promote_options="default")

    def _named(self, path: str) -> pa.Table | None:
        """Return a part with the names in its path as columns; None where it is damaged."""
        table = self._intact(path)
        if table is None:
            return None
        for name, value in (item.split("=", 1) for item in path.split("/")[2:-1]):
            table = table.append_column(name, pa.repeat(pa.scalar(value), len(table)))
        return table

    def read_benchmark(self) -> Described:
        """Return benchmark.yaml.

        Raises:
            UserError: the folder holds no run, or the file is damaged.
        """
        content = self.folder.find(BENCHMARK)
        if content is None:
            raise UserError(
                f"{self.uri!r} is not a run folder: it has no {BENCHMARK}; "
                "give the folder that 'swagflow run' wrote"
            )
        return Described.parse(content, self.uri)

    def write_benchmark(self, described: Described) -> None:
        self.folder.write(BENCHMARK, described.encoded())

    def read_provenance(self) -> dict[str, Any]:
        """Return provenance.json; nothing where there is none, or where it is damaged."""
        try:
            found = json.loads(self.folder.find(PROVENANCE) or "{}")
            entries = dict[str, Any](found)
        except (ValueError, TypeError, RecursionError) as error:
            self.damaged[PROVENANCE] = f"{PROVENANCE}: {error}"
            return {}
        return entries

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        self.folder.write(PROVENANCE, json.dumps(provenance, indent=2).encode())
        self.damaged.pop(PROVENANCE, None)

    def write_bytes(self, relative: str, content: bytes) -> None:
        self.folder.write(relative, content)


def _answered(answers: Answers | None) -> dict[str, pa.Array]:
    if answers is None:
        return {}
    return {
        "label": pa.array(list(answers.labels), pa.int32()),
        "prediction": pa.array(list(answers.predictions), pa.int32()),
        "probability": pa.array(list(answers.probabilities), pa.float32()),
        "target_probability": pa.array(list(answers.target_probabilities), pa.float32()),
    }


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


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
