"""What the line figures of curves show: the mean curve of each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from swag.stats import Interval, summarise

from .figures import MeanCurve, Panel
from .names import Labels


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
