"""The run folder: masks and scores as Parquet parts that appear complete or not at all.

    benchmark.yaml, provenance.json, copies.json
    explanations/dataset=D/model=M/explainer=E/FIRST-LAST-KEY.parquet
    scores/metric=X/dataset=D/model=M/explainer=E/FIRST-LAST-KEY.parquet

FIRST and LAST are positions in the data set's order of image ids, KEY the first digits of the
cell's key, so a listing of names tells what is stored and nothing has to be opened to resume.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa

from swag.types import Score

from ..errors import UserError
from .described import Described
from .files import Folder
from .parquet import encoded, mask_options
from .parts import Cell, Maps, Rows
from .reading import Reader
from .tables import masks_table, scores_table

BENCHMARK = "benchmark.yaml"
PROVENANCE = "provenance.json"
COPIES = "copies.json"

T = TypeVar("T")

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
        """Store saliencies; see `masks_table`."""
        table = masks_table(rows, maps)
        self.write_table(cell.part(*span), table, cell.key, **mask_options(maps.kind))

    def write_scores(self, cell: Cell, span: tuple[int, int], rows: Rows, score: Score) -> None:
        """Store scores; see `scores_table`."""
        self.write_table(cell.part(*span), scores_table(rows, score), cell.key)

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
        return self._read_json(PROVENANCE, dict[str, Any])

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        self._write_json(PROVENANCE, provenance)

    def read_copies(self) -> dict[str, dict[str, Any]]:
        """Return copies.json: which way perturbed copies go through a model, by "data set/model".

        Nothing where there is none, as where no run asked for the fastest, or it is damaged.
        """
        return self._read_json(COPIES, _ways)

    def write_copies(self, copies: dict[str, dict[str, Any]]) -> None:
        self._write_json(COPIES, copies)

    def forget_damaged_copies(self) -> None:
        """Delete a copies.json that cannot be read, so that it is made anew where it is needed."""
        self.read_copies()
        if self.damaged.pop(COPIES, None):
            self.folder.delete(COPIES)

    def _read_json(self, name: str, parse: Callable[[Any], dict[str, T]]) -> dict[str, T]:
        try:
            return parse(json.loads(self.folder.find(name) or "{}"))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            self.damaged[name] = f"{name}: {error}"
            return {}

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        self.folder.write(name, json.dumps(content, indent=2).encode())
        self.damaged.pop(name, None)

    def write_bytes(self, relative: str, content: bytes) -> None:
        self.folder.write(relative, content)


def _ways(plain: Any) -> dict[str, dict[str, Any]]:
    """Return what copies.json says; raises ValueError or such where it names no way."""
    if not all(isinstance(about["forward"], str) for about in plain.values()):
        raise ValueError("a model has no way")
    return dict(plain)
