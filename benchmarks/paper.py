"""A run beside the paper: its numbers, and whether methods come in the paper's order.

    python -m benchmarks.paper RUN

RUN is a folder of `swagflow run real-networks` or `photographs`. Agreement is Kendall's tau-b
between the means of a run's column and what it is compared with, over the methods that both have,
with the 95 % bootstrap interval over the run's images. The paper's numbers are taken as they stand.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from swag.rankings import NUM_RESAMPLES, kendall, rank_methods, tau_interval
from swag.resampling import resampled_means
from swag.rng import generator
from swag.stats import Floats
from swagflow.front.results import Results
from swagflow.report.names import METHODS, Labels
from swagflow.report.paper import paper_values
from swagflow.store.described import Described
from swagflow.store.experiments import PrintedTable
from swagflow.store.run_folder import Store

DELETION, TIME = "deletion", "efficiency"
TABLES: dict[PrintedTable, tuple[str, str]] = {
    "table1": ("Table 1, deletion AUC", DELETION),
    "table2": ("Table 2, SWAG with other weights, deletion AUC", DELETION),
    "table3": ("Table 3, LIME on other superpixels, deletion AUC", DELETION),
    "table6": ("Table 6, seconds an image", TIME),
}
Printed = dict[str, dict[str, float]]
"""Of each column of the paper a value for each method."""


@dataclass(frozen=True)
class Subject:
    """What a metric says on one data set and model: images down, methods across."""

    dataset: str
    model: str
    values: pd.DataFrame

    @property
    def name(self) -> str:
        return f"{self.dataset}, {self.model}"

    def tau(self, printed: dict[str, float]) -> str:
        """Return Kendall's tau with a column of the paper."""
        methods = [name for name in printed if name in self.values]
        value_NM = self.values[methods].to_numpy(np.float64)
        mean_RM = resampled_means(value_NM, generator(0, self.name, "paper"), NUM_RESAMPLES)
        printed_M = np.array([printed[name] for name in methods])
        tau = kendall(_beside(value_NM.mean(0), printed_M))[0, 1]
        low_KK, high_KK = tau_interval(kendall(_beside(mean_RM, printed_M)))
        return _with_interval(tau, low_KK[0, 1], high_KK[0, 1])


def _beside(mean_XM: Floats, printed_M: Floats) -> Floats:
    both: Floats = np.stack([mean_XM, np.broadcast_to(printed_M, mean_XM.shape)], -1)
    return both


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def printed_columns(table: PrintedTable) -> Printed:
    """The paper's columns by data set and model; Table 1 has eight, the others one data set."""
    found: Printed = {}
    for (method, dataset, model, _), value in paper_values(table).items():
        found.setdefault(f"{dataset}, {model}", {})[method] = value
    return found


def subjects(results: Results, metric: str, methods: Collection[str] = ()) -> list[Subject]:
    """The values of a metric, of the images that have one for every method.

    Args:
        methods: only these; none: all.
    """
    frame = results.frame
    rows = frame[(frame["metric"] == metric) & frame["value"].notna()]
    rows = rows[rows["explainer"].isin(methods)] if methods else rows
    # An experiment each may have them.
    rows = rows.drop_duplicates(["dataset", "model", "explainer", "image_id"])
    return [
        Subject(dataset, model, _wide(own))
        for (dataset, model), own in rows.groupby(["dataset", "model"], sort=False)
    ]


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    values = rows.pivot(index="image_id", columns="explainer", values="value")
    return values[list(dict.fromkeys(rows["explainer"]))].dropna()


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def beside_the_paper(results: Results, table: PrintedTable) -> Iterator[str]:
    """A table of the run, and the same of the paper's networks on ImageNet."""
    title, metric = TABLES[table]
    printed = {n: v for n, v in printed_columns(table).items() if n.startswith("imagenet")}
    if metric not in results.metrics:
        return
    rows = results.table(metric)
    if "variant" in rows:
        rows = rows[rows["variant"] == "single"]
    rows = rows[rows["explainer"].isin({name for values in printed.values() for name in values})]
    rows = rows[rows["n"] > 0]
    if rows.empty:
        return
    cells = rows.assign(subject=rows["dataset"] + ", " + rows["model"])
    text = cells["mean"].map("{:.3f}".format) + _intervals(cells)
    shown = cells.assign(text=text).pivot(index="explainer", columns="subject", values="text")
    counts = cells.groupby("subject", sort=False)["n"].unique()
    heads = [f"{name} ({_images(counts[name])})" for name in counts.index]
    yield f"\n### {title}"
    yield from markdown(
        ["method", *heads, *(f"paper: {name}" for name in printed)],
        [
            [
                METHODS[method],
                *shown.loc[method, counts.index].fillna("-"),
                *(f"{values[method]:.3f}" for values in printed.values()),
            ]
            for method in dict.fromkeys(cells["explainer"])
        ],
    )


def _images(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{most} images" if least == most else f"{least} to {most} images"


def _intervals(cells: pd.DataFrame) -> pd.Series:
    low, high = (cells[name].map("{:.3f}".format) for name in ("ci_low", "ci_high"))
    return " (" + low + " to " + high + ")"


def sweeps(results: Results) -> Iterator[str]:
    """Deletion by methods that are in no table of the paper: those of its figures 3 and 5."""
    printed = {method for table in TABLES for method, *_ in paper_values(table)}
    rows = results.table(DELETION)
    rows = rows[~rows["explainer"].isin(printed) & (rows["n"] > 0)]
    if rows.empty:
        return
    yield "\n### Figures 3 and 5, deletion AUC"
    cells = zip(rows["explainer"], rows["dataset"], rows["model"], rows["n"], strict=True)
    means = rows["mean"].map("{:.3f}".format) + _intervals(rows)
    yield from markdown(
        ["method", "on", "images", "mean"],
        [
            [method, f"{dataset}, {model}", str(n), mean]
            for (method, dataset, model, n), mean in zip(cells, means, strict=True)
        ],
    )


def orders(found: Sequence[Subject], printed: Printed) -> Iterator[str]:
    """The methods of Table 1, best first."""
    means = {subject.name: dict(subject.values.mean()) for subject in found}
    theirs = {f"paper: {n}": v for n, v in printed.items() if n.startswith("imagenet")}
    yield "\n### Order by deletion, best first\n"
    for name, values in (means | theirs).items():
        ordered = sorted(values, key=values.__getitem__)
        yield f"- {name}: {', '.join(METHODS[method] for method in ordered)}"


def agreement(found: Sequence[Subject], printed: Printed) -> Iterator[str]:
    """Kendall's tau of each of the run's columns with each of the paper's."""
    yield "\n### Kendall's tau with the paper's columns of Table 1"
    heads = [f"{subject.name} ({len(subject.values)} images)" for subject in found]
    rows = [[name, *(subject.tau(values) for subject in found)] for name, values in printed.items()]
    yield from markdown(["paper", *heads], rows)


def robustness(results: Results, described: Described) -> Iterator[str]:
    """Kendall's tau of deletion's order with that of each other curve, over the same methods."""
    rows = []
    for metric in dict.fromkeys(results.metrics):
        if metric in {DELETION, TIME}:
            continue
        sign = 1.0 if described.higher_is_better(metric) else -1.0
        for subject in subjects(results, metric):
            (own,) = (
                each
                for each in subjects(results, DELETION, list(subject.values))
                if each.name == subject.name
            )
            compared = _compared(own.values, subject.values, sign, Labels(described))
            rows.append([metric, subject.name, *compared])
    if not rows:
        return
    yield "\n### Kendall's tau with the order by deletion"
    yield from markdown(["curve", "on", "images", "methods", "tau", "its best three"], rows)


def _compared(
    deletion: pd.DataFrame, other: pd.DataFrame, sign: float, labels: Labels
) -> Sequence[str]:
    methods = list(other)
    shared = deletion.index.intersection(other.index)
    ours_NM = -deletion.loc[shared, methods].to_numpy(np.float64)
    theirs_NM = sign * other.loc[shared].to_numpy(np.float64)
    ranking = rank_methods(np.stack([ours_NM, theirs_NM], -1))
    low_KK, high_KK = ranking.interval_KK
    best = np.argsort(ranking.rank_MK[:, 1], kind="stable")[:3]
    return [
        str(len(shared)),
        str(len(methods)),
        _with_interval(ranking.tau_KK[0, 1], low_KK[0, 1], high_KK[0, 1]),
        ", ".join(labels.method(methods[place]) for place in best),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("run", metavar="RUN")
    run = parser.parse_args().run
    results, described = Results.read(run), Store(run).read_benchmark()
    for table in TABLES:
        for line in beside_the_paper(results, table):
            print(line)
    if DELETION not in results.metrics:
        return
    printed = printed_columns("table1")
    found = subjects(results, DELETION, next(iter(printed.values())))
    for lines in (
        sweeps(results),
        orders(found, printed),
        agreement(found, printed),
        robustness(results, described),
    ):
        for line in lines:
            print(line)


if __name__ == "__main__":
    main()
