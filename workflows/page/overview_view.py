"""All metrics at once as a page shows them: every number a text."""

from __future__ import annotations

from typing import Any

import numpy as np

from swag.stats import Floats

from ..report.overview import Overview
from ..report.sections import Drawing
from .drawings import drawing_view


def overview_view(overview: Overview, drawing: Drawing | None) -> dict[str, Any]:
    """Return the table of ranks, best method first, and the figure of quality against cost."""
    best_K = np.nanmin(overview.rank_MK, axis=0)
    rows = [
        {
            "method": method,
            "overall": rank_text(overview.overall_M[place]),
            "scored_by": _scored_by(overview.rank_MK[place]),
            "passes": passes_text(overview.passes_M[place]),
            "cells": [
                {
                    "rank": rank_text(rank),
                    "first": rank == best,
                    "shade": _shade(rank, len(overview.methods)),
                }
                for rank, best in zip(overview.rank_MK[place], best_K, strict=True)
            ],
        }
        for place, method in enumerate(overview.methods)
    ]
    metrics = [
        {
            "section": section.name,
            "label": section.text.label,
            "direction": "higher" if section.higher_is_better else "lower",
        }
        for section in overview.sections
    ]
    return {
        "rows": rows,
        "metrics": metrics,
        "has_passes": bool(np.isfinite(overview.passes_M).any()),
        "drawing": None if drawing is None else drawing_view(drawing),
    }


def rank_text(value: float) -> str:
    """Return a rank with a decimal where it is no whole number."""
    if np.isnan(value):
        return "none"
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def passes_text(value: float) -> str:
    """Return a number of passes."""
    return "not known" if np.isnan(value) else f"{value:,.0f}"


def _scored_by(rank_K: Floats) -> str:
    """Return by how many of the metrics a method is ranked, where not by all of them."""
    number = int(np.isfinite(rank_K).sum())
    return "" if number == len(rank_K) else f"{number} of {len(rank_K)} metrics"


def _shade(rank: float, number: int) -> int:
    """Return how strongly a cell is tinted in per cent: the first rank most, the last not."""
    if np.isnan(rank) or number < 2:
        return 0
    return round(100 * (number - rank) / (number - 1))
