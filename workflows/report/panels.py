"""What the line figures of curves show: the mean curve of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from swag.stats import Interval, bootstrap_interval, summarise

from .figures import Axis, MeanCurve, Panel, line_figure
from .names import Labels
from .source import Run

BAND_RESAMPLES = 1000  # a band is only looked at, and every point of every curve has one


def curve_figure(
    run: Run, metric: str, explainers: Sequence[str], scores: pd.DataFrame
) -> Figure | None:
    """Return the mean curves of some methods by a metric; None where it has no curves."""
    if "curve" not in scores:
        return None
    interval = partial(bootstrap_interval, seed=run.seed, num_resamples=BAND_RESAMPLES)
    text = run.text(metric)
    points = dict.fromkeys(scores["dataset"].unique(), text.points) if text.points else None
    panels = curve_panels(scores, explainers, run.labels, interval, points)
    if not panels:
        return None
    axis = Axis(
        x=text.curve_x,
        y=text.curve_y,
        zoom=text.falls,
        from_zero=text.from_zero,
        x_is_share=True,
        markers=bool(text.points),
    )
    return line_figure(panels, axis)


def curve_panels(
    scores: pd.DataFrame,
    methods: Sequence[str],
    labels: Labels,
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
                lines.append(MeanCurve(labels.method(method), method, x_T, mean, low, high))
        if lines:
            panels.append(Panel(labels.subject(dataset, model), lines))
    return panels
