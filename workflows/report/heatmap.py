"""A square of coefficients from -1 to 1 with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from swag.stats import Floats

from .figures import STYLE, literal

_CELL = 0.78
"""Of a coefficient, in inches."""


def heatmap(labels: Sequence[str], value_KK: Floats, low_KK: Floats, high_KK: Floats) -> Figure:
    """Return coefficients as coloured cells, numbered along one side to keep the other short."""
    count = len(labels)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.6 + _CELL * count, 0.7 + _CELL * count), layout="constrained")
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
            axes.text(
                column + 0.5, row + 0.38, signed(value), ha="center", va="center", color=colour
            )
            ends = f"{signed(low_KK[row, column])} to {signed(high_KK[row, column])}"
            axes.text(
                column + 0.5, row + 0.7, ends, ha="center", va="center", color=colour, fontsize=5.5
            )
        bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30)
        bar.set_label("Kendall's tau")
        bar.outline.set_visible(False)
    return figure


def signed(value: float) -> str:
    """Return a coefficient with two digits and a true minus."""
    shown = f"{value:.2f}"
    return "0.00" if shown == "-0.00" else shown.replace("-", "\u2212")
