"""Which differences of a table hold: each two methods, their order, and Friedman's tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from swag.agreement import krippendorff_alpha
from swag.comparing import Friedman, Order, Pairs, compare_pairs, friedman, order
from swag.stats import Bootstrap, Floats, mean_of_present

from .export import Sheet
from .names import Column
from .tables import KEYS

FEWEST_COLUMNS = 3
"""Of which a test over columns makes sense."""
PAIRS = "_pairs"
ORDER = "_order"
FRIEDMAN = "_friedman"


@dataclass(frozen=True, kw_only=True)
class ColumnDifferences:
    """What is known of the methods that have values on one data set, model and variant."""

    column: Column
    methods: Sequence[str]
    num_images: int
    pairs: Pairs
    order: Order
    friedman: Friedman | None
    """Over images."""
    alpha: float
    """Krippendorff's, of the images' orders of the methods: 1 where every image ranks them alike
    (Tomsett et al., 2020)."""

    def alike(self, place: int) -> list[int]:
        """Return the methods from which one is not told apart (Holm's p of at least 0.05)."""
        pairs = self.pairs
        close_P = ~(pairs.p_holm_P < 0.05)
        first_P, second_P = pairs.first_P[close_P], pairs.second_P[close_P]
        found = [*second_P[first_P == place], *first_P[second_P == place]]
        return sorted(map(int, found))


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The columns of one table."""

    stem: str
    columns: Sequence[ColumnDifferences]
    methods: Sequence[str]
    over_columns: Friedman | None
    """Of the means, a block being a column; None for fewer than three."""

    def sheets(self) -> list[Sheet]:
        """Return the tables of pairs, of orders and of Friedman's tests."""
        return [
            Sheet(
                self.stem + PAIRS, _PAIRS, [row for each in self.columns for row in _pairs(each)]
            ),
            Sheet(
                self.stem + ORDER, _ORDER, [row for each in self.columns for row in _orders(each)]
            ),
            Sheet(self.stem + FRIEDMAN, _FRIEDMAN, list(_friedmans(self))),
        ]


def differences(
    stem: str,
    scores: pd.DataFrame,
    methods: Sequence[str],
    *,
    higher_is_better: bool,
    bootstrap: Bootstrap,
) -> Differences | None:
    """Return what holds among the methods; None where no column has values of two.

    Args:
        stem: of the table.
        scores: its rows.
        methods: in the table's order.
        higher_is_better: whether more is better.
        bootstrap: has the resamples.
    """
    found, means = [], []
    for column, value_NM in columns_of(scores, methods):
        (there,) = np.nonzero(~np.isnan(value_NM).all(axis=0))
        means.append(mean_of_present(value_NM))
        if len(there) > 1:
            names = [methods[int(place)] for place in there]
            found.append(
                _column(
                    column,
                    names,
                    value_NM[:, there],
                    higher_is_better=higher_is_better,
                    bootstrap=bootstrap,
                )
            )
    if not found:
        return None
    over = None
    if len(means) >= FEWEST_COLUMNS:
        over = friedman(np.stack(means), higher_is_better=higher_is_better)
    return Differences(stem=stem, columns=found, methods=methods, over_columns=over)


def columns_of(scores: pd.DataFrame, methods: Sequence[str]) -> Iterator[tuple[Column, Floats]]:
    """Yield value_NM of each data set, model and variant that has a value."""
    scores = scores if "variant" in scores else scores.assign(variant="")
    for (dataset, model, variant), rows in scores.groupby(KEYS, sort=False, observed=True):
        values = rows.pivot(index="image_id", columns="explainer", values="value")
        value_NM = values.reindex(columns=list(methods)).to_numpy(np.float64)
        if not np.isnan(value_NM).all():
            yield (str(dataset), str(model), str(variant)), value_NM


def _column(
    column: Column,
    methods: Sequence[str],
    value_NM: Floats,
    *,
    higher_is_better: bool,
    bootstrap: Bootstrap,
) -> ColumnDifferences:
    mean_RM = bootstrap.means(value_NM)
    return ColumnDifferences(
        column=column,
        methods=methods,
        num_images=len(value_NM),
        pairs=compare_pairs(
            value_NM, higher_is_better=higher_is_better, seed=bootstrap.seed, mean_RM=mean_RM
        ),
        order=order(mean_of_present(value_NM), mean_RM, higher_is_better=higher_is_better),
        friedman=friedman(value_NM, higher_is_better=higher_is_better),
        alpha=agreement_of_images(value_NM),
    )


def agreement_of_images(value_NM: Floats) -> float:
    """Return Krippendorff's alpha of the methods' ranks, the images that have all being raters."""
    complete_NM = value_NM[~np.isnan(value_NM).any(axis=1)]
    return krippendorff_alpha(rankdata(complete_NM, axis=1)) if len(complete_NM) else float("nan")


_COLUMN = ("dataset", "model", "variant")
_PAIRS = (
    *_COLUMN,
    *("method", "other_method", "difference", "ci_low", "ci_high", "n"),
    *("better_share", "p_value", "p_holm", "images_needed"),
)
_ORDER = (
    *_COLUMN,
    *("method", "mean", "rank", "rank_low", "rank_high", "first_share", "mean_image_rank"),
)
_FRIEDMAN = (
    *_COLUMN,
    *("blocks", "n_blocks", "n_methods", "chi_square", "p_value", "f", "p_f"),
    *("critical_difference", "alpha"),
)


def _pairs(item: ColumnDifferences) -> Iterator[tuple[object, ...]]:
    pairs = item.pairs
    numbers = (pairs.difference_P, pairs.low_P, pairs.high_P, pairs.n_P, pairs.better_P)
    tests = (pairs.p_P, pairs.p_holm_P, pairs.images_P)
    columns = [column.tolist() for column in (pairs.first_P, pairs.second_P, *numbers, *tests)]
    for first, second, *values in zip(*columns, strict=True):
        yield (*item.column, item.methods[first], item.methods[second], *values)


def _orders(item: ColumnDifferences) -> Iterator[tuple[object, ...]]:
    found = item.order
    image_rank_M = np.full(len(item.methods), np.nan)
    if item.friedman is not None:
        image_rank_M = item.friedman.rank_M
    values = (found.mean_M, found.rank_M, found.low_M, found.high_M, found.first_M, image_rank_M)
    for place, method in enumerate(item.methods):
        yield (*item.column, method, *(float(column_M[place]) for column_M in values))


def _friedmans(item: Differences) -> Iterator[tuple[object, ...]]:
    for each in item.columns:
        if each.friedman is not None:
            yield (*each.column, "images", *_test(each.friedman), each.alpha)
    if item.over_columns is not None:
        yield ("", "", "", "columns", *_test(item.over_columns), None)


def _test(found: Friedman) -> tuple[object, ...]:
    num_methods = int(np.count_nonzero(~np.isnan(found.rank_M)))
    statistics = (found.chi_square, found.p_value, found.f, found.p_f, found.critical_difference)
    return (found.num_blocks, num_methods, *statistics)
