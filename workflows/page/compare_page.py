"""The page and the files of runs that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..report import names
from ..report.compare import Cell, Change, RunComparison
from ..report.export import Sheet, sheet_of
from ..report.source import Run
from ..report.views import ALPHA, head, number_text
from .templates import asset, environment_of

SHOWN_SETTINGS = 200


def comparison_files(
    runs: Sequence[tuple[str, str, Run]], found: Sequence[RunComparison]
) -> dict[str, bytes]:
    """Return the page, and the changes, the unpaired cells and the settings as tables.

    Args:
        runs: letter, address and content of each run, A first.
        found: the others beside A.
    """
    changes = sheet_of("changes", Change, [change for each in found for change in each.changes])
    only = [
        (letter, *cell)
        for each in found
        for letter, cells in (("A", each.only), (each.letter, each.only_other))
        for cell in cells
    ]
    settings = [(each.letter, *row) for each in found for row in each.settings]
    header = ("run", "metric", "dataset", "model", "variant", "method")
    sheets = [
        changes,
        Sheet("unpaired", header, list(dict.fromkeys(only))),
        Sheet("settings", ("run", "setting", "in_a", "in_run"), settings),
    ]
    files = {path: content for sheet in sheets for path, content in sheet.files().items()}
    return {**files, "comparison.html": _page(runs, found).encode()}


def _page(runs: Sequence[tuple[str, str, Run]], found: Sequence[RunComparison]) -> str:
    base = runs[0][2]
    template = environment_of(base.labels).get_template("compare.html.j2")
    return template.render(
        style=asset("style.css"),
        runs=[
            {"letter": letter, "uri": uri, "name": run.described.name} for letter, uri, run in runs
        ],
        comparisons=[_view(each, base) for each in found],
    )


def _view(found: RunComparison, base: Run) -> dict[str, Any]:
    metrics = dict.fromkeys(change.metric for change in found.changes)
    changes = {name: [c for c in found.changes if c.metric == name] for name in metrics}
    return {
        "letter": found.letter,
        "tables": [_table(name, rows, base) for name, rows in changes.items()],
        "beyond": [_sentence(change, base) for change in found.changes if change.beyond],
        "bounded": any(change.bound is not None for change in found.changes),
        "only": [_cell_name(cell, base) for cell in found.only],
        "only_other": [" ".join(filter(None, cell)) for cell in found.only_other],
        "settings": found.settings[:SHOWN_SETTINGS],
        "more_settings": max(0, len(found.settings) - SHOWN_SETTINGS),
        "other_images": found.other_images,
    }


def _table(metric: str, changes: Sequence[Change], base: Run) -> dict[str, Any]:
    text = base.metric_text(metric)
    columns = list(dict.fromkeys((c.dataset, c.model, c.variant) for c in changes))
    by_place = {(c.method, (c.dataset, c.model, c.variant)): c for c in changes}
    rows = [
        {
            "method": method,
            "cells": [_cell(by_place.get((method, column)), text) for column in columns],
        }
        for method in dict.fromkeys(c.method for c in changes)
    ]
    higher = metric in base.described.metrics and base.described.higher_is_better(metric)
    return {
        "label": text.label,
        "unit": text.unit,
        "direction": "higher" if higher else "lower",
        "head": head([base.labels.column(column) for column in columns]),
        "columns": len(columns),
        "rows": rows,
    }


def _cell(change: Change | None, text: Any) -> dict[str, Any] | None:
    if change is None:
        return None
    ends = [number_text(end, text, "+") for end in (change.ci_low, change.ci_high) if end == end]  # noqa: PLR0124
    verdict = "better" if change.better_share > 0.5 else "worse"
    return {
        "difference": number_text(change.difference, text, "+"),
        "interval": " to ".join(ends),
        "means": [number_text(mean, text) for mean in (change.mean, change.other_mean)],
        "n": change.n,
        "lost": change.n_only,
        "verdict": verdict if change.p_holm < ALPHA else "",
        "beyond": change.beyond,
    }


def _sentence(change: Change, base: Run) -> str:
    return f"{_cell_name(change.cell, base)}: {said(change)}"


def said(change: Change) -> str:
    """Return a change's numbers in stored units."""
    ends = f"{change.ci_low:+.4g} to {change.ci_high:+.4g}"
    return (
        f"{change.mean:.4g} to {change.other_mean:.4g} ({change.difference:+.4g}, {ends}, "
        f"{names.count(change.n, 'image')})"
    )


def _cell_name(cell: Cell, base: Run) -> str:
    metric, dataset, model, variant, method = cell
    column = ", ".join(base.labels.column((dataset, model, variant)))
    return f"{base.metric_text(metric).label}, {column}, {base.labels.method(method)}"
