"""Critical-difference diagrams (Demsar, 2006, section 3.2.4): mean ranks, and which are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from swag.comparing import Friedman

from .figures import literal
from .rendering import INK, MUTED, STYLE

ACROSS = 2
_LINE = 0.17
"""Height of a method's line, in inches."""
_HEAD = 0.75


@dataclass(frozen=True)
class RankPanel:
    """One diagram: methods by the names that are shown, and what is known of their ranks."""

    title: str
    methods: Sequence[str]
    found: Friedman


def rank_diagram(panels: Sequence[RankPanel]) -> Figure:
    """Return the diagrams, best methods to the left; a thick bar joins what is not told apart."""
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    lines = max(-(-len(panel.methods) // 2) + len(panel.found.alike) / 2 for panel in panels)
    with mpl.rc_context(STYLE):
        size = (4.9 * across, down * (_HEAD + _LINE * (lines + 1)))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(down, across, squeeze=False)
        for cell in axes.flat:
            cell.set_axis_off()
        for cell, panel in zip(axes.flat, panels, strict=False):
            _draw(cell, panel, lines)
    return figure


def _draw(axes: Axes, panel: RankPanel, lines: float) -> None:
    rank_M = panel.found.rank_M
    places = [int(place) for place in np.argsort(rank_M, kind="stable") if rank_M[place] > 0]
    last = len(places)
    margin = 0.55 * (last - 1)
    axes.set_xlim(1 - margin, last + margin)
    axes.set_ylim(-lines - 1.2, 3.2)
    axes.set_title(literal(panel.title), loc="left", fontweight="bold", fontsize=9)
    _ruler(axes, last, panel.found.critical_difference)
    bars = panel.found.alike
    for level, run in enumerate(bars):
        ends = [rank_M[run[0]] - 0.02 * last, rank_M[run[-1]] + 0.02 * last]
        axes.plot(ends, [-0.45 - level / 2] * 2, color=INK, linewidth=2.6, solid_capstyle="butt")
    half = -(-last // 2)
    top = -1.0 - len(bars) / 2
    for position, place in enumerate(places):
        left = position < half
        height = top - (position if left else last - 1 - position)
        end = 1 - 0.04 * last if left else last + 0.04 * last
        rank = rank_M[place]
        axes.plot([rank, rank, end], [0, height, height], color=MUTED, linewidth=0.7)
        name, number = literal(panel.methods[place]), f"{rank:.2f}"
        text = f"{name}  {number} " if left else f" {number}  {name}"
        axes.text(
            end,
            height,
            text,
            ha="right" if left else "left",
            va="center",
            fontsize=7.5,
            in_layout=False,
        )


def _ruler(axes: Axes, last: int, critical: float) -> None:
    axes.plot([1, last], [0, 0], color=INK, linewidth=1)
    for tick in range(1, last + 1):
        axes.plot([tick, tick], [0, 0.25], color=INK, linewidth=0.8)
        if last > 10 and tick % 2 == 0:
            continue
        axes.text(
            tick,
            0.45,
            str(tick),
            ha="center",
            va="bottom",
            fontsize=7,
            color=MUTED,
            in_layout=False,
        )
    width = min(critical, last - 1.0)
    axes.plot([1, 1 + width], [2.2, 2.2], color=INK, linewidth=1.2, marker="|", markersize=5)
    shown = f"critical difference {critical:.3g}" + (" or more" if critical > width else "")
    axes.text(
        1 + width + 0.02 * last,
        2.2,
        shown,
        ha="left",
        va="center",
        fontsize=7,
        color=MUTED,
        in_layout=False,
    )
