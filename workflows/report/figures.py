"""Figures: lines with intervals in small panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import PercentFormatter

from swag.stats import Floats

from .painters import PAINTERS
from .rendering import INK, MUTED, STYLE, drawn

PANELS_ACROSS = 4

# Okabe and Ito's palette, which stays distinct under colour-blindness; families share a colour and
# differ by dashes, because nobody tells fifteen hues apart.
_SKY, _BLUE, _VERMILION = "#56b4e9", "#0072b2", "#d55e00"
_GREEN, _ORANGE, _PURPLE, _OLIVE = "#009e73", "#e69f00", "#cc79a7", "#8a8a2b"
_LOOKS = {
    "random": (MUTED, ":"),
    "centre": (MUTED, "--"),
    "noise": (MUTED, "-."),
    "sobel": (MUTED, (0, (5, 1, 1, 1, 1, 1))),
    "grad_cam": (_GREEN, "-"),
    "grad_cam_pp": (_GREEN, "--"),
    "lime": (_ORANGE, "-"),
    "lime_i": (_ORANGE, ":"),
    "lime_ig": (_ORANGE, "--"),
    "lime_g": (_ORANGE, "-."),
    "rise": (_PURPLE, "-"),
    "xrai": (_OLIVE, "-"),
    "swag": (_SKY, "-"),
    "swag_ig": (_BLUE, "-"),
    "swag_g": (_VERMILION, "-"),
    "swag_vanilla": (_BLUE, "--"),
    "swag_noise": (_PURPLE, ":"),
    "swag_sobel": (_GREEN, "-."),
    "guided_backprop": (INK, "-"),
    "vanilla_gradient": (INK, "--"),
}
_SPARE_COLOURS = (_BLUE, _VERMILION, _GREEN, _ORANGE, _PURPLE, _SKY, _OLIVE)
_SPARE_DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class MeanCurve:
    """A mean with its interval at each x."""

    label: str
    look: str
    """A method's name, or a colour such as "#0072b2"."""
    x_T: Floats
    mean_T: Floats
    low_T: Floats
    high_T: Floats


@dataclass(frozen=True)
class Panel:
    """One small diagram."""

    title: str
    lines: Sequence[MeanCurve]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What stands at the axes and how the lines are drawn."""

    x: str
    y: str
    zoom: bool = False
    """Add a row with the lower left corner of each panel."""
    markers: bool = False
    from_zero: bool = True
    x_is_share: bool = False
    """Write x from 0 to 1 as per cent."""


def line_figure(panels: Sequence[Panel], axis: Axis) -> Figure:
    """Return small multiples with one legend."""
    across = min(PANELS_ACROSS, len(panels))
    rows_of_panels = -(-len(panels) // across)
    depth = 2 if axis.zoom else 1
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(1.75 + 2.75 * across, 2.6 * rows_of_panels * depth + 0.1), layout="constrained"
        )
        axes = figure.subplots(rows_of_panels * depth, across, squeeze=False)
        for cell in axes.flat[: rows_of_panels * depth * across]:
            cell.set_axis_off()
        for index, panel in enumerate(panels):
            row, column = divmod(index, across)
            _draw(axes[row * depth, column], panel, axis)
            if axis.zoom:
                _draw_zoom(axes[row * depth + 1, column], panel, axis)
        for row in axes:
            row[0].set_ylabel(axis.y)
        add_legend(figure, {line.label: line.look for panel in panels for line in panel.lines})
    return figure


def render(figure: Figure) -> Mapping[str, bytes]:
    """Return the PNG, SVG and PDF of a figure, which must not be changed any more."""
    painters = PAINTERS.get()
    return drawn(figure) if painters is None else painters.paint(figure)


def paths_of(stem: str, rendered: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a rendered figure's files by their paths in the run folder."""
    return {
        str(PurePosixPath("figures", f"{stem}.{kind}")): data for kind, data in rendered.items()
    }


def look_of(look: str) -> tuple[str, object]:
    """Return colour and dashes; a method that the package does not know gets some by its name."""
    if look in _LOOKS:
        return _LOOKS[look]
    if look.startswith("#"):
        return look, "-"
    number = sum(look.encode())
    dashes = _SPARE_DASHES[number // len(_SPARE_COLOURS) % len(_SPARE_DASHES)]
    return _SPARE_COLOURS[number % len(_SPARE_COLOURS)], dashes


def shades(num: int) -> list[str]:
    """Return colours from dark to bright for an ordered quantity; they show on black and white."""
    return [to_hex(mpl.colormaps["viridis"](value)) for value in np.linspace(0.15, 0.85, num)]


def _draw(axes: Axes, panel: Panel, axis: Axis) -> None:
    _lines(axes, panel, axis)
    axes.set_title(literal(panel.title), loc="left", fontweight="bold", fontsize=9)
    axes.set_xlabel(axis.x)
    if axis.from_zero:
        axes.set_ylim(bottom=0)


def _draw_zoom(axes: Axes, panel: Panel, axis: Axis) -> None:
    """Draw the corner where the methods part: the first half of x, below the best ones' start."""
    _lines(axes, panel, axis)
    axes.set_title("Lower left, enlarged", loc="left", color=MUTED, fontsize=8)
    axes.set_xlabel(axis.x)
    end = max(line.x_T[-1] for line in panel.lines) / 2
    middle = [np.interp(end / 4, line.x_T, line.mean_T) for line in panel.lines]
    axes.set_xlim(0, end)
    axes.set_ylim(0, max(float(np.median(middle)), 0.05))


def _lines(axes: Axes, panel: Panel, axis: Axis) -> None:
    axes.set_axis_on()
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    if axis.x_is_share:
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for line in panel.lines:
        colour, dashes = look_of(line.look)
        band = axes.fill_between(
            line.x_T, line.low_T, line.high_T, color=colour, alpha=0.13, linewidth=0
        )
        band.set_gid(f"line-{line.look}~band")
        (drawn,) = axes.plot(
            line.x_T,
            line.mean_T,
            color=colour,
            linestyle=dashes,
            linewidth=1.5,
            label=line.label,
            marker="o" if axis.markers else None,
            markersize=3.5,
        )
        drawn.set_gid(f"line-{line.look}~mean")
    axes.margins(x=0.02)


def add_legend(figure: Figure, looks: Mapping[str, str]) -> None:
    """Add one legend of all that is drawn, in which a page lets its reader pick.

    Args:
        figure: whose.
        looks: as `MeanCurve` has them, by label.
    """
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    legend = figure.legend(
        list(handles.values()), list(handles), loc="outside right upper", handlelength=2.4
    )
    for sample, text, label in zip(legend.legend_handles, legend.texts, handles, strict=True):
        text.set_gid(f"key-{looks[label]}~text")
        if sample is not None:
            sample.set_gid(f"key-{looks[label]}~line")


def literal(text: str) -> str:
    """Return text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def formula(text: str) -> str:
    """Return text whose parts between dollar signs are formulas, or, if they are none, as it is."""
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return literal(text)
    return text
