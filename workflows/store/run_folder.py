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
from dataclasses import replace
from typing import Any

import pyarrow as pa

from swag.types import Score

from ..errors import UserError
from .described import Described
from .files import Folder
from .parquet import encoded, mask_options
from .parts import EXPLANATION_SCHEMA, Answers, Cell, Maps, Rows
from .reading import Reader

BENCHMARK = "benchmark.yaml"
PROVENANCE = "provenance.json"

log = logging.getLogger(__name__)


class Store(Reader):
    """Reads and writes one run folder.

    Args:
        uri: where it is.
        begun: it has a benchmark.yaml, and is not made anew should it vanish.
    """

    def __init__(self, uri: str, *, begun: bool = False) -> None:
        super().__init__(uri, replace(Folder.at(uri), marker=BENCHMARK if begun else ""))

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
        self.write_table(cell.part(*span), table, cell.key, **mask_options(maps.kind))

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
