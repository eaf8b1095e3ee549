"""Whether metrics rank the methods alike: ranks, agreement, and their figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd

from swag.rankings import Ranking, rank_methods, tau_interval
from swag.stats import Floats, mean_of_present

from ..store.experiments import RankedMetrics
from . import names
from .export import Sheet
from .figures import render
from .heatmap import heatmap
from .sections import Drawing
from .source import Run
from .wording import MetricText


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Metrics and methods of a ranking, and what was found on each data set and model."""

    name: str
    title: str
    number: str
    intro: str
    note: str
    stem: str
    metrics: Sequence[str]
    texts: Sequence[MetricText]
    methods: Sequence[str]
    found: Mapping[tuple[str, str], Ranking]
    num_images: Mapping[tuple[str, str], int]

    def drawing(self) -> Drawing:
        """Return the figure of the agreement."""
        figure = heatmap([text.label for text in self.texts], self.tau_KK, self.tau_interval_KK)
        alt = "Kendall's tau between the orders of the methods by each two metrics"
        return Drawing(f"{self.stem}_agreement", self.number or self.title, alt, render(figure))

    @property
    def rank_MK(self) -> Floats:
        """Mean rank over data sets and models, NaN where a method has none."""
        stacked = np.stack([ranking.rank_MK for ranking in self.found.values()])
        return mean_of_present(stacked)

    @property
    def tau_KK(self) -> Floats:
        """Mean coefficient over data sets and models."""
        return mean_of_present(np.stack([ranking.tau_KK for ranking in self.found.values()]))

    @property
    def tau_interval_KK(self) -> tuple[Floats, Floats]:
        """Interval of `tau_KK`: resample by resample, the models of a data set on the same one."""
        return tau_interval(
            mean_of_present(np.stack([each.tau_RKK for each in self.found.values()]))
        )


def build_rankings(run: Run) -> list[Ranked]:
    """Return the rankings that have two metrics with values of two methods somewhere."""
    made = [_ranked(run, name, asked) for name, asked in run.described.rankings.items()]
    return [ranked for ranked in made if ranked is not None]


def _ranked(run: Run, name: str, asked: RankedMetrics) -> Ranked | None:
    rows = {metric: _rows(run, metric, asked) for metric in _metrics(run, asked)}
    rows = {metric: frame for metric, frame in rows.items() if len(frame)}
    if len(rows) < 2:
        return None
    everywhere = [set(frame["explainer"]) for frame in rows.values()]
    common = reduce(set.__and__, everywhere)
    wanted = asked.explainers or tuple(run.described.explainers)
    methods = [
        method for method in wanted if method in (common if not asked.explainers else wanted)
    ]
    if len(methods) < 2:
        return None
    found, num_images = {}, {}
    for subject in run.described.cases:
        case = (subject.dataset, subject.model)
        if value_NMK := _values(run, rows, methods, case):
            found[case] = rank_methods(value_NMK[0], draws=subject.dataset, seed=run.seed)
            num_images[case] = len(value_NMK[0])
    if not found:
        return None
    show = asked.show
    return Ranked(
        name=name,
        title=show.title or names.plain(name),
        number=show.number,
        intro=show.intro,
        note=show.note,
        stem=show.stem or name,
        metrics=list(rows),
        texts=[run.text(metric) for metric in rows],
        methods=methods,
        found=found,
        num_images=num_images,
    )


def _metrics(run: Run, asked: RankedMetrics) -> list[str]:
    scored = dict.fromkeys(
        str(item.metric)
        for item in run.experiments.values()
        if not run.described.is_timing(item.metric)
    )
    return [metric for metric in asked.metrics or scored if metric in scored]


def _rows(run: Run, metric: str, asked: RankedMetrics) -> pd.DataFrame:
    frame = run.rows_of(metric)
    if frame.empty:
        return frame
    for column in ("datasets", "models", "explainers"):
        if chosen := getattr(asked, column):
            frame = frame[frame[column.removesuffix("s")].isin(chosen)]
    return frame[frame["value"].notna()]


def _values(
    run: Run, rows: Mapping[str, pd.DataFrame], methods: Sequence[str], case: tuple[str, str]
) -> list[Floats]:
    """Return value_NMK, signed so that higher is better; nothing where a case has no value."""
    columns = []
    for metric, frame in rows.items():
        own = frame[(frame["dataset"] == case[0]) & (frame["model"] == case[1])]
        sign = 1.0 if run.described.higher_is_better(metric) else -1.0
        columns.append(sign * own.pivot(index="image_id", columns="explainer", values="value"))
    image_ids = sorted(set().union(*(column.index for column in columns)))
    if not image_ids:
        return []
    aligned = [column.reindex(index=image_ids, columns=list(methods)) for column in columns]
    return [np.stack([column.to_numpy(np.float64) for column in aligned], axis=2)]


def ranking_sheets(ranked: Ranked) -> list[Sheet]:
    """Return the tables of a ranking."""
    return [
        Sheet(ranked.stem + RANKS, _RANKS, _rank_rows(ranked)),
        Sheet(ranked.stem + TAUS, _TAUS, _tau_rows(ranked)),
        Sheet(ranked.stem + ALPHA, _ALPHAS, _alpha_rows(ranked)),
    ]


RANKS, TAUS, ALPHA = "_ranks", "_agreement", "_alpha"
_RANKS = ("dataset", "model", "metric", "method", "signed_mean", "rank", "first_share")
_TAUS = ("dataset", "model", "metric", "other_metric", "tau", "ci_low", "ci_high", "n_images")
_ALPHAS = ("dataset", "model", "alpha", "ci_low", "ci_high", "n_metrics", "n_methods", "n_images")


def _rank_rows(ranked: Ranked) -> list[tuple[object, ...]]:
    return [
        (
            *case,
            metric,
            method,
            float(ranking.mean_MK[row, column]),
            float(ranking.rank_MK[row, column]),
            float(ranking.first_MK[row, column]),
        )
        for case, ranking in ranked.found.items()
        for column, metric in enumerate(ranked.metrics)
        for row, method in enumerate(ranked.methods)
    ]


def _tau_rows(ranked: Ranked) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for case, ranking in ranked.found.items():
        low_KK, high_KK = ranking.interval_KK
        for first, metric in enumerate(ranked.metrics):
            for second in range(first + 1, len(ranked.metrics)):
                values = [array[first, second] for array in (ranking.tau_KK, low_KK, high_KK)]
                other = ranked.metrics[second]
                rows.append((*case, metric, other, *map(float, values), ranked.num_images[case]))
    return rows


def _alpha_rows(ranked: Ranked) -> list[tuple[object, ...]]:
    sizes = len(ranked.metrics), len(ranked.methods)
    return [
        (*case, ranking.alpha, *ranking.alpha_interval, *sizes, ranked.num_images[case])
        for case, ranking in ranked.found.items()
    ]
