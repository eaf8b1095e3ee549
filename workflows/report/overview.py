"""All metrics at once: each method's rank by each of them, and its quality against its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata

from swag.stats import Floats, mean_of_present

from .figures import PANELS_ACROSS, add_legend, literal, look_of, render
from .names import Column
from .rendering import STYLE
from .sections import Drawing, Section
from .source import Run
from .tables import Table, TableCell

STEM = "quality_cost"
MOST_PANELS = 8
LEAST_METHODS = 3


@dataclass(frozen=True, kw_only=True)
class Overview:
    """How the methods of the headline's experiment do by every metric that scored them."""

    methods: Sequence[str]
    """Best mean rank first."""
    sections: Sequence[Section]
    """An experiment for each metric, the headline's first."""
    rank_MK: Floats
    """By each of them, 1 being the best, mean over its columns; NaN where it has no value."""
    overall_M: Floats
    """Mean over the metrics."""
    passes_M: Floats
    """Of the model that explain one image, a backward one counted as two; NaN where not known."""


def overview_of(run: Run, sections: Sequence[Section], headline: Section) -> Overview | None:
    """Return it for three methods and more, else None.

    A metric is ranked by the first experiment that has scored all methods that the headline's has,
    or else the most of them. Columns are data sets and models.
    """
    asked = list(headline.table.methods)
    chosen: dict[str, Section] = {}
    for section in [headline, *sections]:
        if run.described.is_timing(section.metric):
            continue
        shared = len(_shared(section, asked))
        before = chosen.get(section.metric)
        if shared >= LEAST_METHODS and (before is None or shared > len(_shared(before, asked))):
            chosen[section.metric] = section
    if headline.metric not in chosen:
        return None
    kept = list(chosen.values())
    rank_MK = np.stack([_ranks(section, asked) for section in kept], axis=1)
    overall_M = mean_of_present(rank_MK.T)
    order = np.argsort(overall_M, kind="stable")
    methods = [asked[place] for place in order]
    return Overview(
        methods=methods,
        sections=kept,
        rank_MK=rank_MK[order],
        overall_M=overall_M[order],
        passes_M=np.array([_passes(run, name) for name in methods]),
    )


def cost_drawing(run: Run, overview: Overview) -> Drawing | None:
    """Return the means of the headline's table against the passes; None where none are known."""
    passes = dict(zip(overview.methods, overview.passes_M.tolist(), strict=True))
    if np.isnan(list(passes.values())).all():
        return None
    headline = overview.sections[0]
    columns = headline.table.columns[:MOST_PANELS]
    across = min(PANELS_ACROSS, len(columns))
    rows = -(-len(columns) // across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.75 + 2.75 * across, 2.6 * rows + 0.1), layout="constrained")
        axes = figure.subplots(rows, across, squeeze=False)
        for cell in axes.flat:
            cell.set_axis_off()
        for column, panel in zip(columns, axes.flat, strict=False):
            _draw(panel, headline, column, passes, run)
        for row in axes:
            row[0].set_ylabel(headline.text.label)
        add_legend(figure, {run.labels.method(name): name for name in passes})
    better = "higher" if headline.higher_is_better else "lower"
    alt = f"{headline.text.label}, {better} is better, against the model passes of an explanation"
    return Drawing(STEM, "Quality against cost", alt, render(figure))


def on_the_front(cells: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of (cost, loss) that no other one beats in both, cheapest first."""
    order = sorted(range(len(cells)), key=lambda place: cells[place])
    front: list[int] = []
    for place in order:
        if not front or cells[place][1] < cells[front[-1]][1]:
            front.append(place)
    return front


def _draw(axes: Axes, section: Section, column: Column, passes: dict[str, float], run: Run) -> None:
    cells = [
        cell
        for method in section.table.methods
        if (cell := section.table.cell(method, column)).mean is not None
        and passes[method] == passes[method]
    ]
    axes.set_axis_on()
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.set_xscale("log")
    axes.set_xlabel("Model passes per image")
    axes.set_title(
        literal(", ".join(run.labels.column(column))), loc="left", fontweight="bold", fontsize=9
    )
    sign = -1.0 if section.higher_is_better else 1.0
    points = [(passes[cell.method], sign * float(cell.mean or 0.0)) for cell in cells]
    front = [points[place] for place in on_the_front(points)]
    axes.plot(
        [cost for cost, _ in front],
        [sign * loss for _, loss in front],
        color=STYLE["axes.edgecolor"],
        linewidth=0.8,
        drawstyle="steps-post",
        zorder=1,
    )
    for cell in cells:
        _point(axes, cell, passes[cell.method], run.labels.method(cell.method))


def _point(axes: Axes, cell: TableCell, cost: float, label: str) -> None:
    mean = float(cell.mean or 0.0)
    low, high = (mean if end is None else end for end in (cell.ci_low, cell.ci_high))
    colour, dashes = look_of(cell.method)
    (whisker,) = axes.plot([cost, cost], [low, high], color=colour, linewidth=1.0)
    whisker.set_gid(f"line-{cell.method}~band")
    (point,) = axes.plot(
        [cost],
        [mean],
        color=colour,
        linestyle=dashes,
        linewidth=1.5,
        marker="o",
        markersize=5,
        markerfacecolor=colour if dashes == "-" else "none",
        label=label,
    )
    point.set_gid(f"line-{cell.method}~mean")


def _shared(section: Section, methods: Sequence[str]) -> list[str]:
    """Return which of the methods a section's table has values of."""
    return [name for name in methods if name in section.table.methods]


def _ranks(section: Section, methods: Sequence[str]) -> Floats:
    """Return the methods' ranks in a table, mean over its columns."""
    sign = -1.0 if section.higher_is_better else 1.0
    columns = [
        rankdata(sign * _means(section.table, methods, column), nan_policy="omit")
        for column in section.table.columns
    ]
    return mean_of_present(np.stack(columns))


def _means(table: Table, methods: Sequence[str], column: Column) -> Floats:
    found = [table.cell(name, column).mean if name in table.methods else None for name in methods]
    return np.array([np.nan if mean is None else mean for mean in found])


def _passes(run: Run, method: str) -> float:
    found = run.described.passes(method)
    return np.nan if found is None else float(found[0] + 2 * found[1])
