"""Tables and figures as a page shows them: every number a text, every mark a flag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from . import names
from .names import Column, Labels
from .paper import printed_kind
from .rendering import INK, MUTED, RULE
from .sections import Section
from .tables import Table, TableCell
from .wording import MetricText

ALPHA = 0.05
_THEMED = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)"}


def table_view(table: Table, text: MetricText, labels: Labels) -> dict[str, Any]:
    """Return head, and rows in groups of one kind, with every number as text."""
    ends = {
        column: max(_ends(cell) for cell in table.cells if cell.column == column)
        for column in table.columns
    }
    rows = []
    for method, kind in table.methods.items():
        cells = [table.cell(method, column) for column in table.columns]
        views = [cell_view(cell, text, ends[cell.column]) for cell in cells]
        rows.append({"method": method, "kind": kind, "cells": views})
    columns = [labels.column(column) for column in table.columns]
    return {"head": head(columns), "groups": _by_kind(rows), "columns": len(columns)}


def cell_view(cell: TableCell, text: MetricText, end: float) -> dict[str, Any]:
    """Return a cell's numbers as text and, in percent of the column's largest, for its whisker."""
    view: dict[str, Any] = {
        "missing": cell.n_missing,
        "best": cell.best,
        "best_region": cell.best_region,
        "mean": None,
        "paper": None if cell.paper is None else number_text(cell.paper, text),
        "alike": cell.p_holm is not None and cell.p_holm >= ALPHA,
        "difference": _difference(cell, text),
    }
    if cell.mean is not None:
        view |= numbers(cell, text)
        view["at"] = [
            round(100 * value / end, 1) if value is not None and end > 0 else 0.0
            for value in (cell.ci_low, cell.mean, cell.ci_high)
        ]
    return view


def numbers(cell: TableCell, text: MetricText) -> dict[str, str | None]:
    """Return a cell's mean and interval as text."""
    low, high = cell.ci_low, cell.ci_high
    interval = None
    if low is not None and high is not None:
        interval = f"{number_text(low, text)}\u2009\u2013\u2009{number_text(high, text)}"
    return {
        "mean": None if cell.mean is None else number_text(cell.mean, text),
        "interval": interval,
    }


def number_text(value: float, text: MetricText, sign: str = "") -> str:
    """Return a stored value as it is shown, with a true minus."""
    digits = "#.3g" if text.decimals is None else f".{text.decimals}f"
    shown = format(value * text.factor, sign + digits)
    if float(shown) == 0:
        return shown.lstrip("+-")
    return shown.replace("-", "\u2212")


def _difference(cell: TableCell, text: MetricText) -> dict[str, Any] | None:
    if cell.difference is None or cell.p_holm is None:
        return None
    ends = [cell.difference_low, cell.difference_high]
    return {
        "mean": number_text(cell.difference, text, "+"),
        "interval": " to ".join(number_text(end, text, "+") for end in ends if end is not None),
        "p": f"p\u2009=\u2009{cell.p_holm:.3f}" if cell.p_holm >= 0.001 else "p\u2009<\u20090.001",
        "n": cell.n_pairs,
        "alike": cell.p_holm >= ALPHA,
    }


def paper_view(section: Section) -> dict[str, Any]:
    """Return the paper's table of the same name: its best are marked by the same rules."""
    columns = list(dict.fromkeys(key[1:] for key in section.paper))
    methods = list(dict.fromkeys(key[0] for key in section.paper))
    kinds = dict(section.table.methods)
    sign = -1 if section.higher_is_better else 1
    best, best_region = {}, {}
    for column in columns:
        values = {key[0]: sign * v for key, v in section.paper.items() if key[1:] == column}
        regions = {m: v for m, v in values.items() if kinds.get(m, printed_kind(m)) == "region"}
        best[column] = min(values, key=values.__getitem__)
        best_region[column] = min(regions, key=regions.__getitem__)
    rows = []
    for method in methods:
        cells = []
        for column in columns:
            value = section.paper.get((method, *column))
            mean = None if value is None else number_text(value, section.text)
            is_best, is_region = best[column] == method, best_region[column] == method
            cells.append({"mean": mean, "best": is_best, "best_region": is_region})
        rows.append(
            {"method": method, "kind": kinds.get(method, printed_kind(method)), "cells": cells}
        )
    shared = any(cell.paper is not None for cell in section.table.cells)
    return {
        "head": head([printed(column) for column in columns]),
        "groups": _by_kind(rows),
        "columns": len(columns),
        "shared": shared,
    }


def head(texts: Sequence[Sequence[str]]) -> list[list[dict[str, Any]]]:
    """Return the rows of a table's head; equal neighbours become one wide cell."""
    depth = max(len(parts) for parts in texts)
    rows = []
    for level in range(depth):
        spans = groupby(texts, key=lambda parts: parts[: level + 1])
        rows.append([{"text": parts[-1], "span": len(list(same))} for parts, same in spans])
    return rows


def printed(column: Column) -> list[str]:
    """Return how the paper calls a column."""
    dataset, model, kind = column
    parts = [names.DATA[dataset], names.MODELS[model]]
    return [*parts, names.variant(kind)] if kind else parts


def sizes(section: Section) -> str:
    """Return "128 images", or the range of n over the cells."""
    return sizes_of(section.table, section.unit_of_n)


def sizes_of(table: Table, unit: str) -> str:
    """Return the range of n over the cells."""
    numbers_of = {cell.n for cell in table.cells if cell.n}
    low, high = min(numbers_of), max(numbers_of)
    if low == high:
        return names.count(high, unit)
    return f"{low:,} to {names.count(high, unit)}"


def _by_kind(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    order = list(names.KINDS)
    ordered = sorted(rows, key=lambda row: order.index(row["kind"]))
    groups = [(kind, list(members)) for kind, members in groupby(ordered, lambda r: r["kind"])]
    return [
        {"title": names.KINDS[kind] if len(groups) > 1 else None, "rows": members}
        for kind, members in groups
    ]


def _ends(cell: TableCell) -> float:
    return max(cell.ci_high or 0.0, cell.mean or 0.0)
