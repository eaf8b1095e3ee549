"""Experiments along a field of their explainers: found in what the explainers are, and drawn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..store.experiments import Experiment, Sweep
from . import names
from .figures import MeanCurve, Panel, formula, shades
from .source import Run
from .tables import Table

Settings = Mapping[str, Mapping[str, object]]
"""Explainer -> its fields under dotted names."""
SEPARATORS = "_.-"


@dataclass(frozen=True)
class SweepLine:
    """Explainers that are equal but for one field."""

    label: str
    look: str
    """Name of a method, or a colour."""
    methods: Sequence[str]


@dataclass(frozen=True)
class SweepPlot:
    """What is drawn along which field."""

    x: str
    x_label: str
    lines: Sequence[SweepLine]


def sweep_of(run: Run, experiment: Experiment) -> SweepPlot | None:
    """Return the sweep that an experiment asks for or has; None where it has none."""
    asked = experiment.show.sweep
    if asked is False:
        return None
    settings = {name: run.fields(name) for name in experiment.explainers}
    sweep = asked if isinstance(asked, Sweep) else _found(settings)
    if sweep is None:
        return None
    groups = _groups(settings, sweep)
    if not groups:
        return None
    return SweepPlot(
        sweep.x,
        formula(sweep.x_label or names.setting(sweep.x)),
        _lines(run, settings, groups, sweep),
    )


def sweep_panels(table: Table, run: Run, plot: SweepPlot, factor: float) -> list[Panel]:
    """Return a panel per column of the table: the mean against x, a line per group."""
    panels = []
    for column in table.columns:
        lines = []
        for line in plot.lines:
            cells = [table.cell(method, column) for method in line.methods]
            points = sorted(
                (_number(run.fields(cell.method)[plot.x]), cell.mean, cell.ci_low, cell.ci_high)
                for cell in cells
                if cell.mean is not None
            )
            if points:
                x_T, *heights = np.array(points, dtype=np.float64).T
                lines.append(MeanCurve(line.label, line.look, x_T, *np.multiply(heights, factor)))
        if lines:
            panels.append(Panel(", ".join(run.labels.column(column)), lines))
    return panels


def _found(settings: Settings) -> Sweep | None:
    """Return the field along which most explainers step; of several such fields the last one."""
    best, most = None, 0
    for field in dict.fromkeys(field for fields in settings.values() for field in fields):
        if field != "version":
            count = sum(map(len, _alike(settings, field).values()))
            if count and count >= most:
                best, most = field, count
    return None if best is None else Sweep(x=best)


def _groups(settings: Settings, sweep: Sweep) -> list[list[str]]:
    if not sweep.series:
        return list(_alike(settings, sweep.x).values())
    groups: dict[object, list[str]] = {}
    for name, fields in settings.items():
        if _is_number(fields.get(sweep.x)) and sweep.series in fields:
            groups.setdefault(fields[sweep.series], []).append(name)
    return list(groups.values())


def _alike(settings: Settings, field: str) -> dict[str, list[str]]:
    """Return groups of two and more explainers that are equal but for a number in `field`."""
    groups: dict[str, dict[object, str]] = {}
    for name, fields in settings.items():
        if _is_number(fields.get(field)):
            rest = repr(sorted(item for item in fields.items() if item[0] != field))
            groups.setdefault(rest, {}).setdefault(fields[field], name)
    return {rest: list(group.values()) for rest, group in groups.items() if len(group) > 1}


def _lines(
    run: Run, settings: Settings, groups: Sequence[Sequence[str]], sweep: Sweep
) -> list[SweepLine]:
    """Return the lines with their labels: values of the field that parts them, or common names."""
    firsts = [settings[group[0]] for group in groups]
    parting = sweep.series or _parting_number(firsts, sweep.x)
    shared = [_common_name(group) for group in groups]
    if parting and (sweep.series_label or not _tell_apart(shared)):
        values = [first[parting] for first in firsts]
        order = sorted(range(len(groups)), key=lambda place: _number(values[place]))
        label = sweep.series_label or names.setting(parting).replace("{}", "") + " {}"
        return [
            SweepLine(
                formula(label.replace("{}", names.value(values[place]))), shade, groups[place]
            )
            for place, shade in zip(order, shades(len(groups)), strict=True)
        ]
    if not _tell_apart(shared):
        shared = [group[0] for group in groups]
    return [
        SweepLine(run.labels.method(name), name, group)
        for name, group in zip(shared, groups, strict=True)
    ]


def _parting_number(firsts: Sequence[Mapping[str, object]], x: str) -> str:
    """Return the number, of those in which one class of explainers differs, that alone parts lines.

    Empty where lines are parted by something else.
    """
    fields = dict.fromkeys(field for first in firsts for field in first if field != x)
    parting = [f for f in fields if len({repr(first.get(f)) for first in firsts}) > 1]
    if len(parting) == 1 and all(_is_number(first.get(parting[0])) for first in firsts):
        return parting[0]
    return ""


def _tell_apart(shared: Sequence[str]) -> bool:
    """Tell whether names are all different, and no mere numbers make them so."""
    return len({name.rstrip(f"0123456789{SEPARATORS}") for name in shared}) == len(shared)


def _common_name(group: Sequence[str]) -> str:
    """Return what names begin with, up to the end of a word: "swag" of "swag_100", "swag_150"."""
    words = [re.findall(f"[{SEPARATORS}]|[^{SEPARATORS}]+", name) for name in group]
    places = zip(*words, strict=False)
    shared = "".join(place[0] for place in itertools.takewhile(lambda p: len({*p}) == 1, places))
    bare = {name.rstrip("0123456789") for name in group}
    return shared.rstrip(SEPARATORS) or (bare.pop() if len(bare) == 1 else group[0])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> float:
    """Return what orders the lines: numbers by size, words as they come."""
    return float(value) if isinstance(value, int | float) else 0.0
