"""Mean curves of cells with their intervals, made while rows are read, so that no curve is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from swag.stats import Bootstrap, Floats, Summary, summarise

from ..store.experiments import Experiment
from ..store.parts import CellName

BAND_RESAMPLES = 1000  # a band is only looked at, and every point of every curve has one


class Bands:
    """The mean curve of each cell that has curves.

    Args:
        experiments: which say what is drawn.
        seed: of the resamples.
        read: returns the rows of a cell that was not told of before it was asked for.
    """

    def __init__(
        self,
        experiments: Mapping[str, Experiment],
        seed: int,
        read: Callable[[CellName], pa.Table | None],
    ) -> None:
        self._experiments = experiments
        self.interval = Bootstrap(seed)
        """Of values of images, for tables."""
        self._interval = Bootstrap(seed, BAND_RESAMPLES)
        self._read = read
        self._found: dict[tuple[CellName, bool], Summary | None] = {}

    def take(self, name: CellName, table: pa.Table) -> None:
        """Note the mean curve of a cell where one will be drawn."""
        for experiment in self._experiments.values():
            own = experiment.metric == name.metric and name.explainer in experiment.explainers
            if own and experiment.covers(*name.subject) and experiment.shows_curves:
                self._add(name, experiment.only_correct, table)

    def of(self, name: CellName, *, only_correct: bool = False) -> Summary | None:
        """Return the mean curve of a cell with its band; None where it has no curve.

        Args:
            only_correct: of the images that the model gives their label.
        """
        if (name, only_correct) not in self._found:
            self._add(name, only_correct, self._read(name))
        return self._found[name, only_correct]

    def _add(self, name: CellName, only_correct: bool, table: pa.Table | None) -> None:
        if (name, only_correct) not in self._found:
            curve_NT = None if table is None else curves_of(table, only_correct=only_correct)
            found = None if curve_NT is None else summarise(curve_NT, self._interval)
            self._found[name, only_correct] = found


def curves_of(table: pa.Table, *, only_correct: bool = False) -> Floats | None:
    """Return curve_NT of the rows that have a value, in the order of their images; None if none."""
    if "curve" not in table.column_names or pa.types.is_null(table.schema.field("curve").type):
        return None
    kept = pc.and_(table["curve"].is_valid(), table["value"].is_valid())
    if only_correct:
        right = pc.fill_null(pc.equal(table["label"], table["prediction"]), fill_value=False)
        kept = pc.and_(kept, right)
    rows = table.select(["image_id", "curve"]).filter(kept)
    if not len(rows):
        return None
    column = rows["curve"].combine_chunks()
    curves = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    if len(pc.unique(curves.value_lengths())) != 1:
        raise ValueError("curves of one metric must have as many points")
    flat = curves.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    order_N = pc.sort_indices(rows["image_id"]).to_numpy()
    return np.asarray(flat.reshape(len(rows), -1)[order_N])
