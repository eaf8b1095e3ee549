"""What a report adds to an experiment's table: which differences hold, by class, by correctness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swag.comparing import Friedman

from .export import Sheet
from .figures import render
from .names import Labels
from .pairs import FRIEDMAN, ORDER, PAIRS, Differences, differences
from .rank_diagram import RankPanel, rank_diagram
from .rows import by_variant
from .sections import ROAR_NAME, Drawing, Section
from .source import Run
from .splits import CLASSES, CORRECTNESS, split_sheets

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
        bootstrap=run.bands.interval,
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
