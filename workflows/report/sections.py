"""The parts of a report, each an experiment of the benchmark that has rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from swag.stats import Floats, student_interval

from ..store.experiments import MOST_METHODS, Caption, Experiment, Picture, Switch
from . import names
from .answers import correct_rows
from .figures import Axis, line_figure, render
from .panels import curve_figure, curve_panels
from .paper import PaperValues, paper_values
from .rows import by_variant, one_variant, roar_scores
from .source import Run
from .sweeps import SweepPlot, sweep_of, sweep_panels
from .tables import Missing, Rules, Table, make_table, missing_rows, resampled
from .wording import ROAR, MetricText

ROAR_NAME = "roar"


@dataclass(frozen=True)
class Heading:
    """What a section is called."""

    title: str
    number: str
    stem: str
    intro: str = ""
    note: str = ""
    """A caveat for the caption."""


@dataclass(frozen=True)
class Drawing:
    """A rendered figure."""

    stem: str
    title: str
    alt: str
    rendered: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One experiment: its table, its figures, and what is missing from them."""

    name: str
    heading: Heading
    metric: str
    text: MetricText
    higher_is_better: bool
    table: Table
    table_shown: bool = True
    """A long table of a sweep is only written, because its figure says the same."""
    correct: Table | None = None
    """The same over the images that each model gives their label, where it errs on some."""
    only_correct: bool = False
    """Whether all of it is over those images alone."""
    unit_of_n: str = "image"
    paper: PaperValues = field(default_factory=dict)
    """Printed numbers that stand beside it."""
    drawings: Sequence[Drawing] = ()
    missing: Sequence[Missing] = ()


def build_sections(run: Run, *, only: str = "", drawn: bool = True) -> list[Section]:
    """Return the experiments that have a score, in the benchmark's order.

    Args:
        run: whose.
        only: the name of one; empty: all.
        drawn: with their figures.
    """
    _draw_once(run, only)
    made = [
        _section(run, name, experiment, drawn=drawn)
        for name, experiment in run.experiments.items()
        if only in ("", name)
    ]
    sections = [section for section in made if section is not None]
    roar = _roar_section(run, drawn=drawn) if only in ("", ROAR_NAME) else None
    if roar is not None:
        after = next(iter(run.described.roar.values())).show.after
        places = [place for place, section in enumerate(sections, 1) if section.name == after]
        sections.insert(places[0] if places else len(sections), roar)
    return sections


def _draw_once(run: Run, only: str) -> None:
    """Find the intervals of all tables together where so many images are drawn that it pays."""

    def tables() -> Iterator[Floats]:
        for name, experiment in run.experiments.items():
            scores = run.scores(experiment) if only in ("", name) else pd.DataFrame()
            if scores.empty or run.bands.interval.keeps(scores["image_id"].nunique()):
                continue
            methods, rules = run.kinds(experiment.explainers), _rules(run, experiment)
            scores = by_variant(scores)
            yield from resampled(scores, methods, rules)
            if not experiment.only_correct:
                yield from resampled(correct_rows(scores), methods, rules)

    run.bands.interval.prepare(tables())


def _rules(run: Run, experiment: Experiment) -> Rules:
    higher = run.described.higher_is_better(str(experiment.metric))
    return Rules(higher_is_better=higher, interval=run.bands.interval)


def stems_of(run: Run) -> dict[str, str]:
    """Return how the tables of the experiments are called, of those with rows or without."""
    named = run.experiments.items()
    found = {name: item.show.stem or _stem(name, str(item.metric)) for name, item in named}
    for roar in list(run.described.roar.values())[:1]:
        found[ROAR_NAME] = roar.show.stem or ROAR_NAME
    return found


def _stem(name: str, metric: str) -> str:
    return f"{name}_{metric}"


def _section(run: Run, name: str, experiment: Experiment, *, drawn: bool) -> Section | None:
    scores = run.scores(experiment)
    scores = scores if scores.empty else by_variant(scores)
    if scores.empty or scores["value"].isna().all():
        return None
    metric, show = str(experiment.metric), experiment.show
    higher = run.described.higher_is_better(metric)
    rules = _rules(run, experiment)
    cost = run.cost(metric, experiment.datasets)
    heading = _heading(show, name, _stem(name, metric), _machines(scores), cost)
    paper = paper_values(show.paper)
    table = make_table(scores, run.kinds(experiment.explainers), rules, _as_printed(run, paper))
    correct = None if experiment.only_correct else _correct(scores, table, rules)
    sweep = sweep_of(run, experiment)
    table_shown = show.table
    if table_shown == "auto":
        table_shown = sweep is None or len(experiment.explainers) <= MOST_METHODS
    drawings = (
        [
            None if sweep is None else _sweep_drawing(run, table, sweep, run.text(metric), heading),
            _curve_drawing(run, experiment, scores, heading, f"{name}_curves"),
        ]
        if drawn
        else []
    )
    return Section(
        name=name,
        heading=heading,
        metric=metric,
        text=run.text(metric),
        higher_is_better=higher,
        table=table,
        correct=correct,
        table_shown=table_shown,
        only_correct=experiment.only_correct,
        paper=paper,
        drawings=[drawing for drawing in drawings if drawing is not None],
        missing=missing_rows(one_variant(scores), metric, experiment.explainers),
    )


def _correct(scores: pd.DataFrame, table: Table, rules: Rules) -> Table | None:
    """Return a table over correctly classified images; None where that is no other one."""
    rows = correct_rows(scores)
    if len(rows) == len(scores) or rows.empty or rows["value"].isna().all():
        return None
    return make_table(rows, table.methods, rules, {})


def _as_printed(run: Run, paper: PaperValues) -> PaperValues:
    """Return the printed numbers of what this run has under the same names."""
    return {
        cell: number
        for cell, number in paper.items()
        if run.labels.is_as_printed(cell[0], cell[1:])
    }


def _roar_section(run: Run, *, drawn: bool) -> Section | None:
    settings = run.described.roar
    jobs = run.roar_jobs() if settings else pd.DataFrame()
    scores = roar_scores(jobs, settings) if len(jobs) else jobs
    if scores.empty or scores["value"].isna().all():
        return None
    show = next(iter(settings.values())).show
    explainers = list(dict.fromkeys(name for roar in settings.values() for name in roar.explainers))
    rules = Rules(higher_is_better=False, interval=student_interval, tested=False)
    one = scores[scores["variant"] == names.ROAR_VARIANTS[0]]
    fractions = {dataset: sorted(roar.fractions) for dataset, roar in settings.items()}
    heading = _heading(show, "remove and retrain", ROAR_NAME, run.cost_of_retraining)
    drawings = []
    if drawn and show.curves is not False:
        panels = curve_panels(one, explainers, run.labels, student_interval, fractions)
        axis = Axis(x=ROAR.curve_x, y=ROAR.curve_y, markers=True, x_is_share=True)
        alt = "Accuracy after retraining against the share of pixels removed, a line per method"
        number, stem = _picture(show.curves, heading, f"{ROAR_NAME}_curves")
        drawings.append(Drawing(stem, number, alt, render(line_figure(panels, axis))))
    paper = paper_values(show.paper)
    return Section(
        name=ROAR_NAME,
        heading=heading,
        metric=ROAR_NAME,
        text=ROAR,
        higher_is_better=False,
        table=make_table(scores, run.kinds(explainers), rules, _as_printed(run, paper)),
        unit_of_n="repeat",
        paper=paper,
        drawings=drawings,
        missing=missing_rows(one, ROAR_NAME, explainers),
    )


def _curve_drawing(
    run: Run,
    experiment: Experiment,
    scores: pd.DataFrame,
    heading: Heading,
    stem: str,
) -> Drawing | None:
    """Return the mean curves of an experiment that has some and wants them."""
    if not experiment.shows_curves:
        return None
    figure = curve_figure(
        run,
        str(experiment.metric),
        experiment.explainers,
        scores,
        only_correct=experiment.only_correct,
    )
    if figure is None:
        return None
    text = run.text(str(experiment.metric))
    against = text.curve_x.replace("Pixels", "the share of pixels", 1)
    alt = f"Mean {_lower(text.curve_y)} against {_lower(against)}, a line per method"
    number, stem = _picture(experiment.show.curves, heading, stem)
    return Drawing(stem, number, alt, render(figure))


def _sweep_drawing(
    run: Run, table: Table, sweep: SweepPlot, text: MetricText, heading: Heading
) -> Drawing | None:
    panels = sweep_panels(table, run, sweep, text.factor)
    if not panels:
        return None
    unit = f" ({text.unit})" if text.unit else ""
    axis = Axis(x=sweep.x_label, y=text.label + unit, markers=True, from_zero=False)
    alt = f"{text.label} against the {_lower(sweep.x_label.partition(',')[0])}"
    title = heading.number or heading.title
    return Drawing(heading.stem, title, alt, render(line_figure(panels, axis)))


def _picture(asked: Switch | Picture, heading: Heading, stem: str) -> tuple[str, str]:
    """Return what a figure is called and the name of its files."""
    own = asked if isinstance(asked, Picture) else Picture()
    return own.number or heading.title, own.stem or stem


def _heading(show: Caption, name: str, stem: str, *remarks: str) -> Heading:
    notes = " ".join(text for text in (*remarks, show.note) if text)
    return Heading(
        show.title or names.plain(name), show.number, show.stem or stem, show.intro, notes
    )


def _machines(scores: pd.DataFrame) -> str:
    """Return on what explainers were timed, where they were."""
    if "hardware" not in scores:
        return ""
    return f"Timed on {', '.join(sorted(scores['hardware'].dropna().unique()))}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
