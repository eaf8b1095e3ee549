"""Every table of a run by name: for a report all of them, for a question one."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from swag.lookup import nearest

from ..errors import UserError
from .answers import Accuracy, accuracies
from .export import Sheet, sheet_of, table_sheet
from .holds import ENDINGS, Holds, holds_of
from .maps_alike import STEM, maps_alike, maps_sheet
from .names import Labels
from .rankings import ALPHA, RANKS, TAUS, build_rankings, ranking_sheets
from .rows import by_variant, one_variant
from .sections import Section, build_sections, stems_of
from .source import Run
from .tables import Missing, missing_rows

CORRECT = "_correct"
ACCURACY, MISSING = "accuracy", "missing"
ALL_HELD_OUT = "every image is held out to choose a threshold, and none is left to judge; use more"
Finder = Callable[[], Iterable[Sheet]]


def section_sheets(section: Section, holds: Holds | None, labels: Labels) -> list[Sheet]:
    """Return a section's table, the one of correctly classified images, and what holds in it."""
    stem = section.heading.stem
    found = [table_sheet(stem, section.table, section.text, labels)]
    if section.correct is not None:
        found.append(table_sheet(stem + CORRECT, section.correct, section.text, labels))
    return [*found, *(holds.sheets if holds else ())]


def files_of(sheets: Iterable[Sheet]) -> dict[str, bytes]:
    """Return the files of tables by their paths in the run folder."""
    return {path: content for sheet in sheets for path, content in sheet.files().items()}


def accuracy_of(run: Run) -> list[Accuracy]:
    """Return the accuracy of each model, of the images that any metric scored."""
    return accuracies(run.rows_of(str(item.metric)) for item in run.experiments.values())


def missing_of(run: Run, sections: Sequence[Section]) -> list[Missing]:
    """Return every row without a score once."""
    rows = [row for section in sections for row in section.missing]
    shown = {section.name for section in sections}
    return list(dict.fromkeys([*rows, *_unscored_rows(run, shown)]))


def _unscored_rows(run: Run, shown: Container[str]) -> list[Missing]:
    """Return the rows of the experiments that have no section, because not one has a value."""
    found: list[Missing] = []
    for experiment in (item for name, item in run.experiments.items() if name not in shown):
        scores = run.scores(experiment)
        if scores.empty:
            continue
        judged = by_variant(scores)
        if judged.empty:
            judged = scores.assign(value=float("nan"), error=ALL_HELD_OUT)
        found += missing_rows(one_variant(judged), str(experiment.metric), experiment.explainers)
    return found


def other_sheets(models: Sequence[Accuracy], missing: Sequence[Missing]) -> list[Sheet]:
    """Return the tables of models and of missing rows, where there are some."""
    found = [(ACCURACY, Accuracy, models), (MISSING, Missing, missing)]
    return [sheet_of(name, kind, items) for name, kind, items in found if items]


def find_sheet(run: Run, name: str) -> Sheet:
    """Return one table; what it does not need is not computed.

    Raises:
        UserError: there is no such table, or nothing in it.
    """
    finders = _finders(run)
    if name not in finders:
        raise UserError(f"table {name!r} is unknown{nearest(name, finders)}")
    for sheet in finders[name]():
        if sheet.name == name:
            return sheet
    raise UserError(
        f"table {name!r} is empty: no stored row belongs to it; 'swagflow report' writes those "
        "that are not"
    )


def _finders(run: Run) -> dict[str, Finder]:
    """Return what computes each table that this run can have."""

    def of_section(name: str) -> Finder:
        return lambda: (
            sheet
            for section in build_sections(run, only=name, drawn=False)
            for sheet in section_sheets(section, holds_of(run, section), run.labels)
        )

    def plainly(name: str) -> Finder:
        return lambda: (
            sheet
            for section in build_sections(run, only=name, drawn=False)
            for sheet in section_sheets(section, None, run.labels)
        )

    def of_rankings() -> Iterable[Sheet]:
        return (sheet for ranked in build_rankings(run) for sheet in ranking_sheets(ranked))

    def of_maps() -> Iterable[Sheet]:
        maps = maps_alike(run)
        return [maps_sheet(maps, run.seed)] if maps else []

    def of_missing() -> Iterable[Sheet]:
        return other_sheets([], missing_of(run, build_sections(run, drawn=False)))

    found: dict[str, Finder] = {}
    for section, stem in stems_of(run).items():
        found |= {stem: plainly(section), stem + CORRECT: plainly(section)}
        for ending in ENDINGS:
            found[stem + ending] = of_section(section)
    for name, asked in run.described.rankings.items():
        stem = asked.show.stem or name
        found |= {f"{stem}{ending}": of_rankings for ending in (RANKS, TAUS, ALPHA)}
    found[STEM] = of_maps
    found[ACCURACY] = lambda: other_sheets(accuracy_of(run), [])
    found[MISSING] = of_missing
    return found
