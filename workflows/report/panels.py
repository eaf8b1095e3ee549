"""What the line figures of curves show: the mean curve of each method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from swag.stats import Interval, Summary, summarise

from ..store.parts import CellName, Subject
from .figures import Axis, MeanCurve, Panel, line_figure
from .names import Labels
from .source import Run

SummaryOf = Callable[[Subject, str], Summary | None]
"""The mean curve of a method on a data set and model."""


def curve_figure(
    run: Run,
    metric: str,
    explainers: Sequence[str],
    scores: pd.DataFrame,
    *,
    only_correct: bool = False,
) -> Figure | None:
    """Return the mean curves of some methods by a metric; None where it has no curves.

    Args:
        scores: rows of the data sets and models that are shown.
        only_correct: curves of images that the model gives their label.
    """

    def summary_of(subject: Subject, method: str) -> Summary | None:
        return run.bands.of(CellName(*subject, method, metric), only_correct=only_correct)

    text = run.text(metric)
    points = dict.fromkeys(scores["dataset"].unique(), text.points) if text.points else None
    cases = scores[["dataset", "model"]].drop_duplicates().itertuples(index=False)
    subjects = [Subject(*case) for case in cases]
    panels = summary_panels(subjects, explainers, run.labels, summary_of, points)
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
    """Return `summary_panels` of rows that have their curves."""
    drawn = scores[scores["curve"].notna() & scores["value"].notna()].sort_values("image_id")
    curves = {
        key: summarise(np.stack(list(own["curve"])).astype(np.float64), interval)
        for key, own in drawn.groupby(["dataset", "model", "explainer"], sort=False, observed=True)
    }
    cases = scores[["dataset", "model"]].drop_duplicates().itertuples(index=False)

    def summary_of(subject: Subject, method: str) -> Summary | None:
        return curves.get((*subject, method))

    return summary_panels([Subject(*case) for case in cases], methods, labels, summary_of, points)


def summary_panels(
    subjects: Iterable[Subject],
    methods: Sequence[str],
    labels: Labels,
    summary_of: SummaryOf,
    points: Mapping[str, Sequence[float]] | None = None,
) -> list[Panel]:
    """Return for each data set and model the mean curve of each method that has curves.

    `points` holds the x of each data set's curves; without it they are evenly spread over 0 to 1.
    """
    panels = []
    for subject in subjects:
        lines = []
        for method in methods:
            summary = summary_of(subject, method)
            if summary is not None:
                x_T = np.linspace(0, 1, len(summary.mean_M))
                if points is not None:
                    x_T = np.array(points[subject.dataset], dtype=np.float64)
                mean, low, high = summary.mean_M, summary.low_M, summary.high_M
                lines.append(MeanCurve(labels.method(method), method, x_T, mean, low, high))
        if lines:
            panels.append(Panel(labels.subject(*subject), lines))
    return panels
