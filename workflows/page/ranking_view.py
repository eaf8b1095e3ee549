"""A ranking as a page shows it: every number a text."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..report import names
from ..report.heatmap import signed
from ..report.names import Labels
from ..report.rankings import Ranked
from ..report.sections import Drawing
from .drawings import inline_svg
from .overview_view import rank_text


def ranking_view(ranked: Ranked, drawing: Drawing, labels: Labels) -> dict[str, Any]:
    """Return the rows of ranks, best method first, and the figure."""
    rank_MK = ranked.rank_MK
    overall_M = np.nanmean(rank_MK, axis=1)
    best_K = np.nanmin(rank_MK, axis=0)
    rows = [
        {
            "method": ranked.methods[row],
            "cells": [
                {"rank": rank_text(value), "first": value == best}
                for value, best in zip(rank_MK[row], best_K, strict=True)
            ],
        }
        for row in np.argsort(overall_M, kind="stable")
    ]
    counts = sorted(set(ranked.num_images.values()))
    span = f"{counts[0]:,} to " if len(counts) > 1 else ""
    return {
        "id": f"ranking-{ranked.name}",
        "title": ranked.title,
        "number": ranked.number,
        "intro": ranked.intro,
        "note": ranked.note,
        "stem": ranked.stem,
        "metrics": [text.label for text in ranked.texts],
        "rows": rows,
        "subjects": [labels.subject(*case) for case in ranked.found],
        "sizes": span + names.count(counts[-1], "image"),
        "svg": inline_svg(drawing),
        "summary": summary_of(ranked),
    }


def summary_of(ranked: Ranked) -> str:
    """Return the least and the greatest agreement, and that of all metrics, in sentences."""
    first, second = np.triu_indices(len(ranked.metrics), 1)
    tau_P = ranked.tau_KK[first, second]
    if np.isnan(tau_P).all():
        return "No two of them tell the methods apart."
    low_KK, high_KK = ranked.tau_interval_KK

    def said(place: int) -> str:
        one, two = first[place], second[place]
        pair = f"{ranked.texts[one].label} and {ranked.texts[two].label}"
        numbers = (tau_P[place], low_KK[one, two], high_KK[one, two])
        tau, low, high = (signed(number) for number in numbers)
        return f"{pair} ({tau}, {low} to {high})"

    least, most = int(np.nanargmin(tau_P)), int(np.nanargmax(tau_P))
    text = f"Median of all pairs: {signed(np.nanmedian(tau_P))}. Least alike: {said(least)}"
    text = f"{text}; most: {said(most)}." if most != least else f"{text}."
    return f"{text} {_alphas(ranked)}".rstrip()


def _alphas(ranked: Ranked) -> str:
    """Return Krippendorff's alpha of all metrics, where there are more than the two of a tau."""
    found = [ranking.alpha for ranking in ranked.found.values() if not np.isnan(ranking.alpha)]
    if len(ranked.metrics) < 3 or not found:
        return ""
    low, high = signed(min(found)), signed(max(found))
    shown = low if low == high else f"{low} to {high}"
    return f"Of all metrics' ranks, Krippendorff's alpha: {shown}."
