"""What the line figures show: mean curves of methods, and tables along a setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from swag.stats import Interval, summarise

from . import names
from .figures import Line, Panel, shades
from .source import Run
from .tables import Column, Table


@dataclass(frozen=True)
class Sweep:
    """Along which settings of its explainers an experiment goes."""

    x: str
    x_label: str
    series: str
    series_label: str = ""


SWEEPS = {
    "figure3": Sweep(
        "superpixels.gradient_weight",
        "Weight of the gradient, $w_g$",
        "superpixels.colour_weight",
        "$w_c$ = {:g}",
    ),
    "figure5": Sweep("superpixels.num_segments", "Number of superpixels", "superpixels.features"),
    "figure5_localisation": Sweep(
        "superpixels.num_segments", "Number of superpixels", "superpixels.features"
    ),
}
_FEATURE_METHODS = {"image": "swag", "image_gradient": "swag_ig", "gradient": "swag_g"}


def title_of(column: Column) -> str:
    """Return "data set, model" and the variant where there is one."""
    dataset, model, variant = column
    parts = [names.subject(dataset), names.subject(model)]
    return ", ".join([*parts, names.variant(variant)] if variant else parts)


def curve_panels(
    scores: pd.DataFrame,
    methods: Sequence[str],
    interval: Interval,
    points: Mapping[str, Sequence[float]] | None = None,
) -> list[Panel]:
    """Return for each data set and model the mean curve of each method that has curves.

    `points` holds the x of each data set's curves; without it they are evenly spread over 0 to 1.
    """
    panels = []
    for (dataset, model), rows in scores.groupby(["dataset", "model"], sort=False):
        drawn = rows[rows["curve"].notna() & rows["value"].notna()].sort_values("image_id")
        lines = []
        for method in methods:
            curves = drawn.loc[drawn["explainer"] == method, "curve"]
            if len(curves):
                curve_NT = np.stack(list(curves)).astype(np.float64)
                x_T = np.linspace(0, 1, curve_NT.shape[1])
                if points is not None:
                    x_T = np.array(points[dataset], dtype=np.float64)
                summary = summarise(curve_NT, interval)
                mean, low, high = summary.mean_M, summary.low_M, summary.high_M
                lines.append(Line(names.method(method), method, x_T, mean, low, high))
        if lines:
            panels.append(Panel(title_of((dataset, model, "")), lines))
    return panels


def sweep_panels(table: Table, run: Run, sweep: Sweep, factor: float) -> list[Panel]:
    """Return a panel per column: the mean against `sweep.x`, a line per value of `sweep.series`."""
    fields = {method: run.fields(method) for method in table.methods}
    groups: dict[object, list[str]] = {}
    for method in sorted(table.methods, key=lambda method: _number(fields[method][sweep.series])):
        groups.setdefault(fields[method][sweep.series], []).append(method)
    looks = [
        _FEATURE_METHODS.get(str(value), shade)
        for value, shade in zip(groups, shades(len(groups)), strict=True)
    ]
    panels = []
    for column in table.columns:
        lines = []
        for (value, members), look in zip(groups.items(), looks, strict=True):
            cells = [table.cell(method, column) for method in members]
            points = sorted(
                (float(str(fields[cell.method][sweep.x])), cell.mean, cell.ci_low, cell.ci_high)
                for cell in cells
                if cell.mean is not None
            )
            if points:
                x_T, *heights = np.array(points, dtype=np.float64).T
                lines.append(
                    Line(_series_label(sweep, value), look, x_T, *np.multiply(heights, factor))
                )
        panels.append(Panel(title_of(column), lines))
    return panels


def _series_label(sweep: Sweep, value: object) -> str:
    if sweep.series_label:
        return sweep.series_label.format(value)
    return names.method(_FEATURE_METHODS.get(str(value), str(value)))


def _number(value: object) -> float:
    """Return what orders the lines: numbers by size, words as they come."""
    return float(value) if isinstance(value, int | float) else 0.0
