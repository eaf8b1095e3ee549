"""Runs beside each other: the same images paired, and what their settings differ in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from swag.comparing import share_above
from swag.lookup import nearest
from swag.stats import (
    Floats,
    Interval,
    bootstrap_interval,
    holm,
    signed_rank_p,
    student_interval,
    summarise,
)

from ..errors import UserError
from . import names
from .rows import by_variant, roar_scores
from .sections import ROAR_NAME
from .source import Run
from .tables import KEYS

Cell = tuple[str, str, str, str, str]
"""Metric, data set, model, variant and method."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One method's values by one metric in two runs, on the images that have one in both."""

    run: str
    """The letter of the run that is compared with A."""
    metric: str
    dataset: str
    model: str
    variant: str
    method: str
    mean: float
    """Of those images in A."""
    other_mean: float
    """In the other run."""
    difference: float
    """The other run's mean minus A's."""
    ci_low: float
    """Of the difference's 95 % bootstrap interval over images (Student's over retrainings)."""
    ci_high: float
    n: int
    n_only: int
    """Images with a value in A alone."""
    n_only_other: int
    better_share: float
    """Share of the images on which the other run is better, ties counting half."""
    p_value: float
    """Two-sided Wilcoxon signed-rank test."""
    p_holm: float
    """Adjusted for all changes of these two runs (Holm, 1979)."""
    bound: float | None = None
    beyond: bool = False
    """Whether the mean moved by more than `bound`."""

    @property
    def cell(self) -> Cell:
        return self.metric, self.dataset, self.model, self.variant, self.method


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """A run beside A."""

    letter: str
    changes: Sequence[Change]
    only: Sequence[Cell]
    """What A alone has values of."""
    only_other: Sequence[Cell]
    settings: Sequence[tuple[str, str, str]]
    """Settings and provenance that differ: name, A's value and the other's."""
    other_images: Sequence[str]
    """Data sets whose images are not A's, going by their fingerprints, though names may be."""


@dataclass(frozen=True)
class Bounds:
    """How far a mean may move; None: as far as it likes."""

    general: float | None = None
    of_metric: Mapping[str, float] | None = None

    @classmethod
    def parse(cls, texts: Sequence[str], metrics: Sequence[str]) -> Bounds:
        """Return what NUMBER, or METRIC=NUMBER, says.

        Raises:
            UserError: it is no such number, or there is no such metric.
        """
        general, special = None, {}
        for text in texts:
            metric, equals, number = text.rpartition("=")
            if equals and metric not in metrics:
                raise UserError(
                    f"--bound {text!r}: metric {metric!r} is not compared{nearest(metric, metrics)}"
                )
            try:
                bound = float(number)
            except ValueError:
                bound = -1.0
            if not 0 <= bound < float("inf"):
                raise UserError(
                    f"--bound {text!r}: wanted a number from 0 on, as 0.01 or METRIC=0.01, in the "
                    "unit of the stored values"
                )
            if equals:
                special[metric] = bound
            else:
                general = bound
        return cls(general, special)

    def of(self, metric: str) -> float | None:
        return (self.of_metric or {}).get(metric, self.general)


def metrics_of(run: Run) -> list[str]:
    """Return the metrics that a run asks for, `roar` for remove and retrain."""
    scored = dict.fromkeys(str(item.metric) for item in run.experiments.values())
    return [*scored, *([ROAR_NAME] if run.described.roar else [])]


def compare_runs(base: Run, other: Run, letter: str) -> RunComparison:
    """Compare a run with A.

    Raises:
        UserError: no image has a value of the same metric and method in both.
    """
    changes: list[Change] = []
    cells: list[dict[Cell, None]] = [{}, {}]
    for metric in dict.fromkeys([*metrics_of(base), *metrics_of(other)]):
        sides = [_columns(run, metric) for run in (base, other)]
        for known, side in zip(cells, sides, strict=True):
            known.update(dict.fromkeys(_cells(metric, side)))
        for column in sides[0].keys() & sides[1].keys():
            pair = sides[0][column], sides[1][column]
            better = partial(_better, higher=_higher(base, metric))
            changes += _changes((letter, metric, *column), pair, _interval(base, metric), better)
    if not changes:
        raise UserError(
            f"run {letter} and run A have no image with a value of the same metric, data set, "
            "model and method; compare runs in which these have the same names"
        )
    order = {cell: place for place, cell in enumerate(cells[0])}
    changes.sort(key=lambda change: order[change.cell])
    adjusted = holm(np.array([change.p_value for change in changes]))
    common = {change.cell for change in changes}
    return RunComparison(
        letter=letter,
        changes=[replace(c, p_holm=float(p)) for c, p in zip(changes, adjusted, strict=True)],
        only=[cell for cell in cells[0] if cell not in common],
        only_other=[cell for cell in cells[1] if cell not in common],
        settings=differing_settings(base, other),
        other_images=_other_images(base, other),
    )


def bounded(found: RunComparison, bounds: Bounds) -> RunComparison:
    """Return a comparison whose changes know how far they may go."""
    changes = []
    for change in found.changes:
        bound = bounds.of(change.metric)
        beyond = bound is not None and abs(change.difference) > bound
        changes.append(replace(change, bound=bound, beyond=beyond))
    return replace(found, changes=changes)


Values = dict[tuple[str, str, str], pd.DataFrame]
"""Images by methods that have some value, of each data set, model and variant."""


def _cells(metric: str, values: Values) -> Iterator[Cell]:
    return ((metric, *column, str(name)) for column, own in values.items() for name in own)


def _columns(run: Run, metric: str) -> Values:
    if metric not in metrics_of(run):
        return {}
    if metric == ROAR_NAME:
        jobs = run.roar_jobs()
        rows = roar_scores(jobs, run.described.roar) if len(jobs) else jobs
    else:
        rows = run.rows_of(metric)
        rows = rows if rows.empty else by_variant(rows)
    if rows.empty:
        return {}
    rows = rows if "variant" in rows else rows.assign(variant="")
    found = {}
    for (dataset, model, variant), own in rows.groupby(KEYS, sort=False, observed=True):
        values = own.pivot(index="image_id", columns="explainer", values="value")
        values = values[[name for name in run.described.explainers if name in values]]
        values = values.dropna(axis="columns", how="all")
        if values.size:
            found[str(dataset), str(model), str(variant)] = values
    return found


def _changes(
    names_of: tuple[str, str, str, str, str],
    pair: tuple[pd.DataFrame, pd.DataFrame],
    interval: Interval,
    better: Callable[[Floats], float],
) -> Iterator[Change]:
    """Yield the change of each method that has an image with a value in both."""
    images = pair[0].index.union(pair[1].index)
    shared = [name for name in pair[0] if name in pair[1]]
    one, two = (side.reindex(index=images, columns=shared).to_numpy(np.float64) for side in pair)
    there_NM = ~np.isnan(one) & ~np.isnan(two)
    (kept,) = np.nonzero(there_NM.any(axis=0))
    if len(kept) == 0:
        return
    letter, metric, dataset, model, variant = names_of
    summary = summarise((two - one)[:, kept], interval)
    for place, at in enumerate(kept):
        both = there_NM[:, at]
        difference_N = (two - one)[both, at]
        yield Change(
            run=letter,
            metric=metric,
            dataset=dataset,
            model=model,
            variant=variant,
            method=str(shared[at]),
            mean=float(one[both, at].mean()),
            other_mean=float(two[both, at].mean()),
            difference=float(summary.mean_M[place]),
            ci_low=float(summary.low_M[place]),
            ci_high=float(summary.high_M[place]),
            n=int(both.sum()),
            n_only=int((~np.isnan(one[:, at]) & ~both).sum()),
            n_only_other=int((~np.isnan(two[:, at]) & ~both).sum()),
            better_share=better(difference_N),
            p_value=signed_rank_p(difference_N),
            p_holm=float("nan"),
        )


def _better(difference_N: Floats, *, higher: bool) -> float:
    return share_above(difference_N if higher else -difference_N)


def _higher(run: Run, metric: str) -> bool:
    known = metric in run.described.metrics
    return known and run.described.higher_is_better(metric)  # after retraining, lower is better


def _interval(run: Run, metric: str) -> Interval:
    return student_interval if metric == ROAR_NAME else partial(bootstrap_interval, seed=run.seed)


def differing_settings(base: Run, other: Run) -> list[tuple[str, str, str]]:
    """Return what differs in benchmark.yaml and in provenance.json, under dotted names."""
    sides = [
        {
            **names.flat(run.described.plain()),
            **{f"provenance.{name}": value for name, value in names.flat(run.provenance).items()},
        }
        for run in (base, other)
    ]
    keys = dict.fromkeys([*sides[0], *sides[1]])
    return [
        (key, _shown(sides[0], key), _shown(sides[1], key))
        for key in keys
        if sides[0].get(key) != sides[1].get(key) or (key in sides[0]) != (key in sides[1])
    ]


def _shown(side: Mapping[str, Any], key: str) -> str:
    if key not in side:
        return "not there"
    value = side[key]
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _other_images(base: Run, other: Run) -> list[str]:
    known = [
        {
            subject.dataset: run.described.subject(subject).get("dataset")
            for subject in run.described.cases
        }
        for run in (base, other)
    ]
    return sorted(name for name in known[0].keys() & known[1] if known[0][name] != known[1][name])
