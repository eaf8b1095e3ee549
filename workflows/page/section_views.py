"""The parts of a page that show sections: every number a text, every mark a flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swag.targets import Target

from ..report import names
from ..report.answers import Accuracy
from ..report.names import Labels
from ..report.sections import Section
from ..report.views import numbers, paper_view, sizes, sizes_of, table_view
from .drawings import drawing_view


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
        "drawings": [drawing_view(drawing) for drawing in section.drawings],
    }


def _correct_view(section: Section, labels: Labels) -> dict[str, Any] | None:
    if section.correct is None:
        return None
    return {
        "table": table_view(section.correct, section.text, labels),
        "sizes": sizes_of(section.correct, section.unit_of_n),
    }
