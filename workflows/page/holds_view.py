"""Which differences hold, as a page shows it: every number a text."""

from __future__ import annotations

from itertools import pairwise
from math import isnan
from typing import Any

from swag.comparing import ALPHA, Friedman

from ..report import names
from ..report.export import MOST_PRINTED
from ..report.holds import Holds
from ..report.names import Labels
from ..report.pairs import ColumnDifferences
from .drawings import inline_svg


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
