"""ROAR's training jobs as score rows: one value and one curve for each repeat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from workflows.report.paper import ROAR_VARIANTS

FIRST_SHARE = 0.0


def roar_scores(jobs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each data set, model and method: a repeat is an "image".

    A repeat's curve is its accuracy at every removed fraction of the run, and its value the
    trapezoid under it, once divided by the largest fraction and once plain. Fraction 0 is trained
    once for all methods. A repeat that lacks a job has no value.
    """
    rows = [
        row for _, group in jobs.groupby(["dataset", "model"], sort=False) for row in _of(group)
    ]
    return pd.DataFrame(rows)


def fractions_of(jobs: pd.DataFrame) -> list[float]:
    """Return every share of pixels that was removed, growing."""
    return sorted(float(fraction) for fraction in jobs["removed_fraction"].unique())


def _of(group: pd.DataFrame) -> Iterator[dict[str, Any]]:
    fractions = fractions_of(group)
    shared = group[group["removed_fraction"] == FIRST_SHARE].set_index("repeat")
    methods = group[group["removed_fraction"] > FIRST_SHARE]
    for (explainer, repeat), jobs in methods.groupby(["explainer", "repeat"], sort=False):
        start = shared.loc[[repeat]].head(1) if repeat in shared.index else shared.head(0)
        series = pd.concat([start, jobs])
        accuracy = series.set_index("removed_fraction")["accuracy"].reindex(fractions)
        curve = accuracy.to_numpy(np.float64)
        area = float(np.trapezoid(curve, fractions))
        errors = series["error"].dropna()
        lost = "; ".join(errors) if len(errors) else "a fraction of this repeat is not trained yet"
        for variant, factor in zip(ROAR_VARIANTS, (1 / fractions[-1], 1.0), strict=True):
            yield {
                "image_id": f"repeat {repeat}",
                "value": area * factor,
                "curve": curve,
                "error": None if np.isfinite(area) else lost,
                "dataset": group["dataset"].iloc[0],
                "model": group["model"].iloc[0],
                "explainer": explainer,
                "variant": variant,
            }
