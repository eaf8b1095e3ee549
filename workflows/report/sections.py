"""The parts of a report, each an experiment of the benchmark that has rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pandas as pd

from swag.stats import bootstrap_interval, student_interval

from . import names
from .figures import Axis, line_figure, paths_of, render
from .panels import SWEEPS, curve_panels, sweep_panels
from .paper import ROAR_VARIANTS, PaperValues, paper_values
from .rows import by_variant, roar_scores
from .source import Experiment, Run
from .tables import Missing, Rules, Table, bootstrap_rules, make_table, missing_rows

BAND_RESAMPLES = 1000  # a band is only looked at, and every point of every curve has one
ORDER = ("table1", "table2", "table3", "figure3", "table4", "table5", "figure5")


@dataclass(frozen=True)
class Heading:
    """What an experiment of the paper is called and what it asks."""

    number: str
    title: str
    stem: str
    intro: str = ""
    note: str = ""
    """A caveat for the caption."""


HEADINGS = {
    "table1": Heading("Table 1", "Local accuracy: deletion", "table1_deletion"),
    "table2": Heading(
        "Table 2",
        "Sanity check: SWAG with other weights",
        "table2_sanity",
        "The same superpixels of the image, weighted by other things than guided gradients: noise "
        "and edges know nothing of the model and must do worse.",
    ),
    "table3": Heading(
        "Table 3",
        "LIME on other superpixels",
        "table3_lime",
        "LIME unchanged, on superpixels of the image (I), of image and gradients (I+G) and of "
        "gradients alone (G).",
    ),
    "table4": Heading(
        "Table 4",
        "Global accuracy: remove and retrain",
        "table4_roar",
        note="The paper does not say which of the two areas it prints, so it stands beside both.",
    ),
    "table5": Heading("Table 5", "Weak localisation", "table5_localisation"),
    "table6": Heading("Table 6", "Efficiency", "table6_efficiency"),
    "figure3": Heading(
        "Figure 3",
        "Weights of colour and gradient",
        "figure3_weights",
        "SWAG I+G with other weights in the distance between pixels: the larger the weight of a "
        "part, the less the part counts.",
    ),
    "figure5": Heading(
        "Figure 5",
        "Number of superpixels",
        "figure5_superpixels",
        "SWAG on coarser and finer superpixels.",
    ),
    "figure5_localisation": Heading(
        "Figure 5",
        "Number of superpixels and localisation",
        "figure5_localisation",
        "SWAG on coarser and finer superpixels.",
    ),
}


@dataclass(frozen=True)
class Drawing:
    """A rendered figure."""

    stem: str
    title: str
    alt: str
    rendered: Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One experiment: its table, its figure, and what is missing from them."""

    name: str
    heading: Heading
    metric: str
    higher_is_better: bool
    table: Table
    table_shown: bool
    """A sweep's table is only written, because its figure says the same."""
    unit_of_n: str = "image"
    paper: PaperValues = field(default_factory=dict)
    drawing: Drawing | None = None
    missing: Sequence[Missing] = ()


def build_sections(run: Run) -> list[Section]:
    """Return the experiments that have a score, in the paper's order, then the others."""
    place = {name: position for position, name in enumerate(ORDER)}
    sections = [_section(run, experiment) for experiment in run.experiments]
    sections.append(_roar_section(run))
    found = [section for section in sections if section is not None]
    return sorted(found, key=lambda section: place.get(section.name, len(place)))


def _section(run: Run, experiment: Experiment) -> Section | None:
    scores = run.scores(experiment)
    scores = scores if scores.empty else by_variant(scores)
    if scores.empty or scores["value"].isna().all():
        return None
    higher = run.described.higher_is_better(experiment.metric)
    rules = bootstrap_rules(higher_is_better=higher, seed=run.seed)
    heading = _heading(experiment, scores)
    paper = paper_values(experiment.name)
    table = make_table(scores, run.kinds(experiment.explainers), rules, paper)
    drawing: Drawing | None
    if experiment.name in SWEEPS:
        drawing = _sweep_drawing(run, experiment, table, heading)
    else:
        drawing = _curve_drawing(run, experiment, scores)
    return Section(
        name=experiment.name,
        heading=heading,
        metric=experiment.metric,
        higher_is_better=higher,
        table=table,
        table_shown=experiment.name not in SWEEPS,
        paper=paper,
        drawing=drawing,
        missing=missing_rows(_one_variant(scores), experiment.metric, experiment.explainers),
    )


def _one_variant(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one variant of the metric, which miss the same images."""
    if "variant" not in scores:
        return scores
    return scores[scores["variant"] == scores["variant"].iloc[0]]


def _roar_section(run: Run) -> Section | None:
    jobs = run.roar_jobs() if run.described.roar else pd.DataFrame()
    scores = roar_scores(jobs, run.described.roar) if len(jobs) else jobs
    if scores.empty or scores["value"].isna().all():
        return None
    explainers = list(
        dict.fromkeys(n for roar in run.described.roar.values() for n in roar.explainers)
    )
    rules = Rules(higher_is_better=False, interval=student_interval, tested=False)
    one = scores[scores["variant"] == ROAR_VARIANTS[0]]
    fractions = {dataset: sorted(roar.fractions) for dataset, roar in run.described.roar.items()}
    panels = curve_panels(one, explainers, student_interval, fractions)
    axis = Axis(x="Pixels removed", y="Accuracy after retraining", markers=True, x_is_share=True)
    paper = paper_values("table4")
    return Section(
        name="table4",
        heading=HEADINGS["table4"],
        metric="roar",
        higher_is_better=False,
        table=make_table(scores, run.kinds(explainers), rules, paper),
        table_shown=True,
        unit_of_n="repeat",
        paper=paper,
        drawing=Drawing(
            "figure4_roar",
            "Figure 4",
            "Accuracy after retraining against the share of pixels removed, a line per method",
            render(line_figure(panels, axis)),
        ),
        missing=missing_rows(one, "roar", explainers),
    )


def _curve_drawing(run: Run, experiment: Experiment, scores: pd.DataFrame) -> Drawing | None:
    """Return Figure 2 for the first table; the other tables are read without curves."""
    if experiment.name != "table1":
        return None
    interval = partial(bootstrap_interval, seed=run.seed, num_resamples=BAND_RESAMPLES)
    panels = curve_panels(scores, experiment.explainers, interval)
    if not panels:
        return None
    axis = Axis(x="Pixels removed", y="Probability of the class", zoom=True, x_is_share=True)
    return Drawing(
        "figure2_curves",
        "Figure 2",
        "Mean probability of the class against the share of pixels removed, a line per method",
        render(line_figure(panels, axis)),
    )


def _sweep_drawing(run: Run, experiment: Experiment, table: Table, heading: Heading) -> Drawing:
    sweep, text = SWEEPS[experiment.name], names.metric_text(experiment.metric)
    unit = f" ({text.unit})" if text.unit else ""
    axis = Axis(x=sweep.x_label, y=text.label + unit, markers=True, from_zero=False)
    panels = sweep_panels(table, run, sweep, text.factor)
    along = sweep.x_label.partition(",")[0]
    alt = f"{text.label} against the {along[:1].lower()}{along[1:]}"
    return Drawing(heading.stem, heading.number, alt, render(line_figure(panels, axis)))


def _heading(experiment: Experiment, scores: pd.DataFrame) -> Heading:
    own = Heading("", names.plain(experiment.name), f"{experiment.name}_{experiment.metric}")
    heading = HEADINGS.get(experiment.name, own)
    if "hardware" not in scores:
        return heading
    machines = ", ".join(sorted(scores["hardware"].dropna().unique()))
    return replace(heading, note=f"Timed on {machines}; the paper's on an NVIDIA Titan X.")


def files_of(section: Section) -> dict[str, bytes]:
    """Return the files of a section by their paths in the run folder."""
    found = {f"tables/{section.heading.stem}.csv": section.table.csv()}
    if section.drawing is not None:
        found |= paths_of(section.drawing.stem, section.drawing.rendered)
    return found
