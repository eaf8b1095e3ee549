"""A square of coefficients from -1 to 1 with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from swag.stats import Floats

from .figures import literal
from .rendering import STYLE

_CELL, _SMALL_CELL = 0.78, 0.42
"""Of a coefficient with its interval, and of one without, in inches."""


def heatmap(
    labels: Sequence[str],
    value_KK: Floats,
    interval_KK: tuple[Floats, Floats] | None = None,
    label: str = "Kendall's tau",
) -> Figure:
    """Return coefficients as coloured cells, numbered along one side to keep the other short.

    Args:
        labels: of both sides.
        value_KK: the coefficients; cells that are NaN stay empty.
        interval_KK: the ends of their intervals; without them, cells are smaller.
        label: what they are.
    """
    count = len(labels)
    size = _CELL if interval_KK else _SMALL_CELL
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 + size * count, 0.7 + size * count), layout="constrained")
        axes = figure.subplots()
        cells = np.ma.masked_invalid(value_KK)
        image = axes.pcolormesh(cells, cmap="RdBu", vmin=-1, vmax=1, edgecolors="white")
        axes.invert_yaxis()
        numbered = [f"{place}  {literal(label)}" for place, label in enumerate(labels, 1)]
        axes.set_yticks(np.arange(count) + 0.5, numbered)
        axes.set_xticks(np.arange(count) + 0.5, [str(place) for place in range(1, count + 1)])
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for row, column in np.argwhere(~np.isnan(value_KK)):
            if row == column:
                continue
            value = value_KK[row, column]
            colour = "white" if abs(value) > 0.6 else "black"
            place = {"x": column + 0.5, "ha": "center", "va": "center", "color": colour}
            place["in_layout"] = False  # inside the axes, and measuring hundreds takes seconds
            if interval_KK is None:
                axes.text(y=row + 0.5, s=signed(value), fontsize=7, **place)
                continue
            axes.text(y=row + 0.38, s=signed(value), **place)
            ends = " to ".join(signed(end_KK[row, column]) for end_KK in interval_KK)
            axes.text(y=row + 0.7, s=ends, fontsize=5.5, **place)
        bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30)
        bar.set_label(label)
        bar.outline.set_visible(False)
    return figure


def signed(value: float) -> str:
    """Return a coefficient with two digits and a true minus."""
    shown = f"{value:.2f}"
    return "0.00" if shown == "-0.00" else shown.replace("-", "\u2212")
