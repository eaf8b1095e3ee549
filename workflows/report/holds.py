"""What a report adds to an experiment's table: which differences hold, by class, by correctness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import Any

from swag.comparing import ALPHA, Friedman

from . import names
from .export import MOST_PRINTED, Sheet
from .figures import render
from .names import Labels
from .pairs import FRIEDMAN, ORDER, PAIRS, ColumnDifferences, Differences, differences
from .rank_diagram import RankPanel, rank_diagram
from .rows import by_variant
from .sections import ROAR_NAME, Drawing, Section
from .source import Run
from .splits import CLASSES, CORRECTNESS, split_sheets
from .views import inline_svg

ENDINGS = (PAIRS, ORDER, FRIEDMAN, CLASSES, CORRECTNESS)
"""Of the names of its tables."""


@dataclass(frozen=True, kw_only=True)
class Holds:
    """The differences of a section's table, their diagram, and all their tables."""

    differences: Differences
    drawing: Drawing | None
    sheets: Sequence[Sheet]


def holds_of(run: Run, section: Section) -> Holds | None:
    """Return it for a shown table of two methods and more, with values of images; else None."""
    if section.name == ROAR_NAME or not section.table_shown:
        return None
    experiment = run.experiments[section.name]
    scores = by_variant(run.scores(experiment))
    found = differences(
        section.heading.stem,
        scores,
        list(section.table.methods),
        higher_is_better=section.higher_is_better,
        seed=run.seed,
    )
    if found is None:
        return None
    sheets = [*found.sheets(), *split_sheets(section.heading.stem, scores)]
    return Holds(differences=found, drawing=_drawing(found, section, run.labels), sheets=sheets)


def _drawing(found: Differences, section: Section, labels: Labels) -> Drawing | None:
    panels = [
        _panel(", ".join(labels.column(item.column)), item.methods, item.friedman, labels)
        for item in found.columns
        if item.friedman is not None
    ]
    if found.over_columns is not None:
        title = f"All {found.over_columns.num_blocks} columns"
        panels.insert(0, _panel(title, found.methods, found.over_columns, labels))
    if not panels:
        return None
    title = section.heading.number or section.heading.title
    alt = "Mean rank of each method; bars join methods that the Nemenyi test does not tell apart"
    return Drawing(f"{found.stem}_ranks", title, alt, render(rank_diagram(panels)))


def _panel(title: str, methods: Sequence[str], found: Friedman, labels: Labels) -> RankPanel:
    return RankPanel(title, [labels.method(name) for name in methods], found)


def holds_view(holds: Holds, labels: Labels) -> dict[str, Any]:
    """Return the orders of the columns and the sentences beside them, as text."""
    found = holds.differences
    return {
        "stem": found.stem,
        "columns": [_column_view(item, labels) for item in found.columns],
        "over": "" if found.over_columns is None else _over(found.over_columns),
        "svg": None if holds.drawing is None else inline_svg(holds.drawing),
        "files": [(sheet.name, len(sheet.rows) <= MOST_PRINTED) for sheet in holds.sheets],
    }


def _column_view(item: ColumnDifferences, labels: Labels) -> dict[str, Any]:
    order = [int(place) for place in item.order.rank_M.argsort(kind="stable")]
    following = dict(pairwise(order))
    rows = [
        {
            "method": item.methods[place],
            "rank": f"{item.order.rank_M[place]:.3g}",
            "span": f"{item.order.low_M[place]:.3g} to {item.order.high_M[place]:.3g}",
            "first": f"{100 * item.order.first_M[place]:.0f}\u2009%",
            "alike": [item.methods[other] for other in item.alike(place)],
            "needed": _needed(item, place, following.get(place)),
        }
        for place in order
    ]
    return {
        "title": ", ".join(labels.column(item.column)),
        "rows": rows,
        "test": "" if item.friedman is None else _over_images(item.friedman, item.alpha),
    }


def _needed(item: ColumnDifferences, place: int, other: int | None) -> str:
    """Return how many images tell a method from the next one."""
    if other is None:
        return ""
    first, second = sorted((place, other))
    pairs = item.pairs
    (at,) = ((pairs.first_P == first) & (pairs.second_P == second)).nonzero()[0]
    number = pairs.images_P[at]
    if isnan(number):
        return ""
    return f"{number:,.0f}" if number < 1e7 else "more than 10 million"


def _over_images(found: Friedman, alpha: float) -> str:
    text = f"Friedman's test over {names.count(found.num_blocks, 'image')} with every method: "
    text += _test(found)
    agreed = "" if isnan(alpha) else f"; Krippendorff's alpha of the images' orders {alpha:.2f}"
    return text + agreed + "."


def _over(found: Friedman) -> str:
    return f"Friedman's test over {found.num_blocks} columns: {_test(found)}."


def _test(found: Friedman) -> str:
    if isnan(found.p_f):
        return "no two methods differ"
    p = f"p\u2009=\u2009{found.p_f:.3f}" if found.p_f >= 0.001 else "p\u2009<\u20090.001"
    verdict = "methods differ" if found.p_f < ALPHA else "no difference is shown"
    return f"F\u2009=\u2009{found.f:.3g}, {p}: {verdict}"
