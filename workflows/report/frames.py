"""Rows of a metric as one frame that takes a few bytes a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ..store.parts import CellName

Codes = NDArray[np.int32]
Cells = Iterable[tuple[CellName, pa.Table]]
NAMES = ("dataset", "model", "explainer")
LEFT_OUT = ("image_id", "curve", "probability", "target_probability")
"""What no table needs, or has as codes."""


class ImageIds:
    """A number for each image id, which columns hold in place of it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._last: tuple[pa.ChunkedArray, Codes] | None = None

    def codes(self, image_ids: pa.ChunkedArray) -> Codes:
        """Return the number of each; methods of one data set mostly have the same ones."""
        if self._last is None or not self._last[0].equals(image_ids):
            numbers = self._numbers
            found = (numbers.setdefault(name, len(numbers)) for name in image_ids.to_pylist())
            self._last = image_ids, np.fromiter(found, np.int32, len(image_ids))
        return self._last[1]

    def categorical(self, code_N: Codes) -> pd.Categorical:
        """Return a column of ids, whose categories are in the order of their names."""
        names = list(self._numbers)
        order = sorted(range(len(names)), key=names.__getitem__)
        place = np.empty(len(names), np.int32)
        place[order] = np.arange(len(names), dtype=np.int32)
        return pd.Categorical.from_codes(place[code_N], categories=[names[n] for n in order])


def compact_frame(cells: Cells, order: Callable[[CellName], Any]) -> pd.DataFrame:
    """Return the rows of some cells without their curves; empty where there are none.

    Names and image ids are categories: group with `observed=True`.

    Args:
        order: what cells are sorted by.
    """
    image_ids, found = ImageIds(), []
    for name, table in cells:
        kept = [column for column in table.column_names if column not in LEFT_OUT]
        found.append((name, image_ids.codes(table["image_id"]), table.select(kept)))
    if not found:
        return pd.DataFrame({name: [] for name in ("image_id", "value", "error")})
    found.sort(key=lambda cell: order(cell[0]))
    names, code_C = [name for name, _, _ in found], [code_N for _, code_N, _ in found]
    table = pa.concat_tables([own for _, _, own in found], promote_options="default")
    found.clear()
    # A column's memory is given back as soon as pandas has it.
    frame = cast(pd.DataFrame, table.to_pandas(split_blocks=True, self_destruct=True))
    del table
    frame.insert(0, "image_id", image_ids.categorical(np.concatenate(code_C)))
    for position, column in enumerate(CellName._fields):
        if column in NAMES:
            values = [str(name[position]) for name in names]
            frame[column] = _repeated(values, [len(code_N) for code_N in code_C])
    return frame


def _repeated(values: list[str], count_C: list[int]) -> pd.Categorical:
    """Return a column of names, each so many times."""
    names = list(dict.fromkeys(values))
    codes = np.array([names.index(value) for value in values], np.int32)
    return pd.Categorical.from_codes(np.repeat(codes, count_C), categories=names)
