"""How far maps agree, as a page shows it: every number a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from swag.agreement import TOP

from ..report.maps_alike import STEM, MapsAlike, places
from ..report.names import Labels
from ..report.sections import Drawing
from .drawings import inline_svg


def maps_view(found: Sequence[MapsAlike], drawing: Drawing, labels: Labels) -> dict[str, Any]:
    """Return the figure and what stands below it, for a page."""
    subjects = [labels.subject(item.dataset, item.model) for item in found]
    return {
        "stem": STEM,
        "title": drawing.title,
        "svg": inline_svg(drawing),
        "subjects": subjects,
        "summary": _summary(found, labels),
    }


def _summary(found: Sequence[MapsAlike], labels: Labels) -> str:
    """Return the least and the most alike of all pairs, and of how many images."""
    pairs = [
        (float(mean_MMK[i, j, 0]), item.methods[i], item.methods[j])
        for item in found
        for mean_MMK in [item.mean()]
        for i, j in places(*np.triu_indices(len(item.methods), 1))
        if not np.isnan(mean_MMK[i, j, 0])
    ]
    if not pairs:
        return "No two maps can be compared."

    def said(pair: tuple[float, str, str]) -> str:
        value, first, second = pair
        shown = f"{value:.2f}".replace("-", "\u2212")
        return f"{labels.method(first)} and {labels.method(second)} ({shown})"

    top = f"{TOP:.0%}"
    counts = sorted({item.num_images for item in found})
    sizes = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return (
        f"Least alike: {said(min(pairs))}; most: {said(max(pairs))}; over the first {sizes} images "
        f"of each data set and model. The file has the shares of the {top} most important pixels "
        "that both have, and have with one sign, too."
    )
