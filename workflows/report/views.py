"""Tables and figures as a page shows them: every number a text, every mark a flag."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from swag.targets import Target

from . import names
from .answers import Accuracy
from .figures import INK, MUTED, RULE
from .names import Column, Labels
from .paper import printed_kind
from .sections import Drawing, Section
from .tables import Table, TableCell
from .wording import MetricText

ALPHA = 0.05
_THEMED = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)"}


def headline(section: Section, labels: Labels) -> list[dict[str, Any]]:
    """Return the best region method of each column, beside the best of the others."""
    cards = []
    for column in section.table.columns:
        cells = [cell for cell in section.table.cells if cell.column == column]
        best = next((cell for cell in cells if cell.best_region), None)
        if best is not None:
            top = next(cell for cell in cells if cell.best)
            cards.append(
                {
                    "column": labels.column(column),
                    "method": best.method,
                    "numbers": numbers(best, section.text),
                    "n": best.n,
                    "top": None if top is best else top.method,
                    "top_numbers": numbers(top, section.text),
                }
            )
    return cards


def accuracy_view(item: Accuracy, labels: Labels) -> dict[str, Any]:
    """Return a model's accuracy as text, with a remark where guessing does as well."""
    guess = f"no better than guessing one of {item.n_classes} classes" if item.is_chance else ""
    return {
        "dataset": labels.dataset(item.dataset),
        "model": labels.model(item.model, item.dataset),
        "accuracy": f"{100 * item.accuracy:.1f}",
        "interval": f"{100 * item.ci_low:.1f}\u2009\u2013\u2009{100 * item.ci_high:.1f}",
        "n": names.count(item.n, "image"),
        "remark": guess,
    }


def target_words(target: str) -> str:
    """Return which class is explained, in words."""
    rule = Target.parse(target)
    if rule.kind == "label":
        return "the class that the label names"
    if rule.kind == "class":
        return f"class {rule}, whatever the image is of"
    if rule.number == 1:
        return "the class that the model predicts"
    return f"the class at place {rule.number} of what the model predicts"


def section_views(sections: Sequence[Section], labels: Labels) -> list[dict[str, Any]]:
    """Return the sections as text; a metric is explained where it comes first."""
    explained: set[str] = set()
    views = []
    for section in sections:
        views.append(
            {**_section_view(section, labels), "explains": section.metric not in explained}
        )
        explained.add(section.metric)
    return views


def _section_view(section: Section, labels: Labels) -> dict[str, Any]:
    table = table_view(section.table, section.text, labels) if section.table_shown else None
    return {
        "name": section.name,
        "heading": section.heading,
        "direction": "higher" if section.higher_is_better else "lower",
        "metric": section.text,
        "unit_of_n": section.unit_of_n,
        "sizes": sizes(section),
        "has_regions": "region" in section.table.methods.values(),
        "tested": any(cell.p_holm is not None for cell in section.table.cells),
        "table": table,
        "correct": _correct_view(section, labels) if table else None,
        "only_correct": section.only_correct,
        "paper": paper_view(section) if section.paper and section.table_shown else None,
        "drawings": [_drawing_view(drawing) for drawing in section.drawings],
    }


def _correct_view(section: Section, labels: Labels) -> dict[str, Any] | None:
    if section.correct is None:
        return None
    return {
        "table": table_view(section.correct, section.text, labels),
        "sizes": _sizes(section.correct, section.unit_of_n),
    }


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


def _drawing_view(drawing: Drawing) -> dict[str, Any]:
    return {
        "title": drawing.title,
        "stem": drawing.stem,
        "svg": inline_svg(drawing),
        "alt": drawing.alt,
    }


def inline_svg(drawing: Drawing) -> Markup:
    """Return a figure for the page: its ids made unique, its ink following the page's theme."""
    text = drawing.rendered["svg"].decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="(line|key)-([^"~]+)~(\w+)"', r' class="\1 \3" data-method="\2"', text)
    text = re.sub(r'\bid="|url\(#|href="#', lambda found: f"{found[0]}{drawing.stem}-", text)
    for colour, variable in _THEMED.items():
        text = text.replace(colour, variable)
    width = re.search(r'viewBox="0 0 ([\d.]+)', text)
    most = round(float(width[1]) * 1.6) if width else 900  # keeps the letters near the page's size
    label = Markup.escape(drawing.alt)
    return Markup(  # noqa: S704  # matplotlib escapes every text that it writes
        text.replace(
            "<svg ", f'<svg role="group" aria-label="{label}" style="max-width: {most}px" ', 1
        )
    )


def definitions(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return each metric of the report with its definition."""
    texts = {section.metric: section.text for section in sections}
    return [(text.label, text.definition) for text in texts.values() if text.definition]


def sizes(section: Section) -> str:
    """Return "128 images", or the range of n over the cells."""
    return _sizes(section.table, section.unit_of_n)


def _sizes(table: Table, unit: str) -> str:
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
