"""Tables: the mean of each cell with its interval, the best methods, and tests against the best."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from swag.stats import Floats, Interval, bootstrap_interval, compare, holm, summarise
from swag.types import Kind

from .names import Column
from .paper import PaperValues

KEYS = ["dataset", "model", "variant"]


@dataclass(frozen=True, kw_only=True)
class TableCell:
    """One method on one data set and model; None where a number does not exist."""

    dataset: str
    model: str
    variant: str
    method: str
    kind: Kind
    mean: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int
    n_missing: int
    best: bool = False
    """The best mean of its column."""
    best_region: bool = False
    """The best mean of its column's region methods."""
    difference: float | None = None
    """Mean over images of this method's value minus that of the best region method."""
    difference_low: float | None = None
    difference_high: float | None = None
    n_pairs: int | None = None
    p_value: float | None = None
    """Two-sided Wilcoxon signed-rank test of the same pairs."""
    p_holm: float | None = None
    """`p_value` adjusted for the tests of its column."""
    paper: float | None = None
    """What the paper prints for this cell."""

    @property
    def column(self) -> Column:
        return self.dataset, self.model, self.variant


@dataclass(frozen=True)
class Table:
    """Cells of every method in every column."""

    methods: Mapping[str, Kind]
    columns: Sequence[Column]
    cells: Sequence[TableCell]

    def cell(self, method: str, column: Column) -> TableCell:
        return self._index[method, column]

    @cached_property
    def _index(self) -> dict[tuple[str, Column], TableCell]:
        return {(cell.method, cell.column): cell for cell in self.cells}

    def csv(self) -> bytes:
        """Return the cells, a row each, numbers with six digits."""
        return csv_of([field.name for field in fields(TableCell)], map(astuple, self.cells))


@dataclass(frozen=True)
class Missing:
    """A row without a score."""

    dataset: str
    model: str
    method: str
    metric: str
    image_id: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a table's cells are judged."""

    higher_is_better: bool
    interval: Interval
    tested: bool = True
    """Whether methods are tested against the best region method."""


def bootstrap_rules(*, higher_is_better: bool, seed: int) -> Rules:
    """Return the rules for values of images."""
    return Rules(higher_is_better=higher_is_better, interval=partial(bootstrap_interval, seed=seed))


def make_table(
    scores: pd.DataFrame, methods: Mapping[str, Kind], rules: Rules, paper: PaperValues
) -> Table:
    """Return the table of `scores`, whose images are the rows of each data set and model.

    An image counts as missing for a method that has no value for it and some method has a row.

    Raises:
        ValueError: there is no value at all.
    """
    columns: list[Column] = []
    cells: list[TableCell] = []
    for column, value_NM in _columns(scores, methods):
        columns.append(column)
        cells += _judged(column, value_NM, methods, rules)
    if not cells:
        raise ValueError("a table needs at least one value, and every score is missing")
    known = [replace(c, paper=paper.get((c.method, *c.column))) for c in cells]
    return Table(methods, columns, known)


def _columns(scores: pd.DataFrame, methods: Mapping[str, Kind]) -> Iterator[tuple[Column, Floats]]:
    """Yield the columns that have a value, each with an image a row and a method a column."""
    if "variant" not in scores:
        scores = scores.assign(variant="")
    for _, subject in scores.groupby(["dataset", "model"], sort=False, observed=True):
        for column, rows in subject.groupby(KEYS, sort=False, observed=True):
            values = rows.pivot(index="image_id", columns="explainer", values="value")
            value_NM = values.reindex(columns=list(methods)).to_numpy(np.float64)
            if not np.isnan(value_NM).all():
                yield column, value_NM


def resampled(scores: pd.DataFrame, methods: Mapping[str, Kind], rules: Rules) -> Iterator[Floats]:
    """Yield what `make_table` takes intervals of, so that they can be found with others'."""
    sign = -1.0 if rules.higher_is_better else 1.0
    is_region_M = np.array([kind == "region" for kind in methods.values()])
    for _, value_NM in _columns(scores, methods):
        yield value_NM
        scored_M = ~np.isnan(value_NM).all(axis=0)
        (regions,) = np.nonzero(scored_M & is_region_M)
        if len(regions):
            best = regions[np.argmin(sign * np.nanmean(value_NM[:, regions], axis=0))]
            yield np.delete(value_NM, best, axis=1) - value_NM[:, best, None]


def _judged(
    column: Column, value_NM: Floats, methods: Mapping[str, Kind], rules: Rules
) -> list[TableCell]:
    cells = _summarised(column, value_NM, methods, rules)
    regions = [method for method, kind in methods.items() if kind == "region"]
    best = _best(cells.values(), rules)
    best_region = _best((cells[method] for method in regions), rules)
    if best is not None:
        cells[best] = replace(cells[best], best=True)
    if best_region is not None:
        cells[best_region] = replace(cells[best_region], best_region=True)
        if rules.tested:
            cells = _tested(cells, best_region, value_NM, rules)
    return list(cells.values())


def _summarised(
    column: Column, value_NM: Floats, methods: Mapping[str, Kind], rules: Rules
) -> dict[str, TableCell]:
    dataset, model, variant = column
    cells = {}
    num_images = len(value_NM)
    (scored,) = np.nonzero(~np.isnan(value_NM).all(axis=0))
    summary = summarise(value_NM[:, scored], rules.interval)
    position = {int(index): place for place, index in enumerate(scored)}
    for index, (method, kind) in enumerate(methods.items()):
        cell = TableCell(
            dataset=dataset,
            model=model,
            variant=variant,
            method=method,
            kind=kind,
            n=0,
            n_missing=num_images,
        )
        if index in position:
            place = position[index]
            cell = replace(
                cell,
                mean=float(summary.mean_M[place]),
                ci_low=_number(summary.low_M[place]),
                ci_high=_number(summary.high_M[place]),
                n=int(summary.n_M[place]),
                n_missing=int(summary.num_missing_M[place]),
            )
        cells[method] = cell
    return cells


def _best(cells: Iterable[TableCell], rules: Rules) -> str | None:
    sign = -1.0 if rules.higher_is_better else 1.0
    means = {cell.method: sign * cell.mean for cell in cells if cell.mean is not None}
    return min(means, key=means.__getitem__) if means else None


def _tested(
    cells: dict[str, TableCell], reference: str, value_NM: Floats, rules: Rules
) -> dict[str, TableCell]:
    """Add to each other method's cell its comparison with the best region method."""
    names = list(cells)
    reference_N = value_NM[:, names.index(reference)]
    shared_NM = ~np.isnan(value_NM) & ~np.isnan(reference_N)[:, None]
    others = [
        index
        for index, name in enumerate(names)
        if name != reference and bool(shared_NM[:, index].any())
    ]
    if not others:
        return cells
    result = compare(value_NM[:, others], reference_N, rules.interval)
    adjusted = holm(result.p_M)
    tested = dict(cells)
    for place, index in enumerate(others):
        tested[names[index]] = replace(
            cells[names[index]],
            difference=float(result.difference_M[place]),
            difference_low=_number(result.low_M[place]),
            difference_high=_number(result.high_M[place]),
            n_pairs=int(result.n_M[place]),
            p_value=float(result.p_M[place]),
            p_holm=float(adjusted[place]),
        )
    return tested


def missing_rows(scores: pd.DataFrame, metric: str, methods: Iterable[str]) -> list[Missing]:
    """Return the images without a value of each method, with the reason that was stored."""
    found = []
    groups = scores.groupby(["dataset", "model"], sort=False, observed=True)
    for (dataset, model), rows in groups:
        image_ids = rows["image_id"].drop_duplicates()
        for method in methods:
            own = rows[rows["explainer"] == method]
            absent = image_ids[~image_ids.isin(own["image_id"])]
            lost = own[own["value"].isna()]
            reasons = lost["error"].fillna("the metric gave no score")
            entries = [
                *zip(lost["image_id"], reasons, strict=True),
                *((image_id, "not computed yet") for image_id in absent),
            ]
            found += [
                Missing(dataset, model, method, metric, str(image_id), str(error))
                for image_id, error in entries
            ]
    return found


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a file of rows; numbers have six digits, and what is not known is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell_text(value) for value in row] for row in rows)
    return stream.getvalue().encode()


def cell_text(value: object) -> str:
    """Return a value as files have it: numbers with six digits, nothing where there is none."""
    if value is None or value != value:  # noqa: PLR0124 - NaN alone is not equal to itself
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
