"""What an evaluation has found: rows, tables, comparisons and pictures of one run folder."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from swag.comparing import power_of
from swag.stats import bootstrap_interval, compare, holm

from ..errors import UserError
from ..report.maps_alike import maps_alike, maps_sheet
from ..report.pairs import Differences, columns_of, differences
from ..report.panels import curve_figure
from ..report.rows import by_variant
from ..report.source import Run
from ..report.splits import split_sheets
from ..report.tables import bootstrap_rules, make_table
from ..store.failures import ReadOnce
from ..store.run_folder import Store

KEYS = ["dataset", "model", "variant"]
TABLE = ["metric", "dataset", "model", "variant", "explainer", "mean", "ci_low", "ci_high", "n"]


class Results:
    """The rows of a run folder, and what follows from them.

    Args:
        store: the folder.
        run_dir: where it is.
    """

    def __init__(self, store: Store, run_dir: str) -> None:
        self._store = ReadOnce(store)
        self._run = Run(self._store)
        self.run_dir = run_dir

    @classmethod
    def read(cls, run_dir: str) -> Results:
        """Return the results of any run folder, whoever computed it."""
        return cls(Store(run_dir), run_dir)

    @property
    def metrics(self) -> list[str]:
        return [str(item.metric) for item in self._run.experiments.values()]

    @property
    def frame(self) -> pd.DataFrame:
        """Every row: metric, data set, model, explainer, image, value, and why one has none."""
        frames = [
            self._run.sorted(self._store.read_scores(name)).assign(metric=name)
            for name in self.metrics
        ]
        found = pd.concat(frames, ignore_index=True)
        first = ["metric", "dataset", "model", "explainer", "image_id", "value"]
        return found[[*first, *(name for name in found if name not in first)]]

    def table(self, metric: str | None = None) -> pd.DataFrame:
        """Return each method's mean, its 95 % bootstrap interval and the number of images.

        Args:
            metric: None: all.
        """
        found = [self._table(name) for name in ([metric] if metric else self.metrics)]
        table = pd.concat(found, ignore_index=True)
        return table if (table["variant"] != "").any() else table.drop(columns="variant")

    def _table(self, metric: str) -> pd.DataFrame:
        rows = by_variant(self._rows(metric))
        methods = self._run.kinds(self._explainers(metric))
        rules = bootstrap_rules(higher_is_better=self._higher(metric), seed=self._run.seed)
        try:
            cells = make_table(rows, methods, rules, {}).cells
        except ValueError:
            reasons = rows["error"].dropna().unique()
            raise UserError(
                f"{metric}: every row has an error; the first: {reasons[0] if len(reasons) else ''}"
            ) from None
        frame = pd.DataFrame(cells).rename(columns={"method": "explainer"}).assign(metric=metric)
        columns = [*TABLE, "n_missing", "best"]
        return frame[columns]

    def compare(self, reference: str | None = None, metric: str | None = None) -> pd.DataFrame:
        """Return how much each method differs from one, image by image.

        Args:
            reference: an explainer; None: the best of each column.
            metric: None: the first.

        Returns:
            a row for each other method: the mean difference of the same images with its 95 %
            bootstrap interval, and the p-value of Wilcoxon's signed-rank test, two-sided, as it is
            and adjusted for the tests of its column by Holm's method.

        Raises:
            UserError: the reference has no rows.
        """
        metric = metric or self.metrics[0]
        rows = by_variant(self._rows(metric))
        rows = rows if "variant" in rows else rows.assign(variant="")
        found = [
            self._compared(metric, dict(zip(KEYS, column, strict=True)), own, reference)
            for column, own in rows.groupby(KEYS, sort=False, observed=True)
        ]
        table = pd.concat(found, ignore_index=True)
        return table if (table["variant"] != "").any() else table.drop(columns="variant")

    def _compared(
        self, metric: str, column: dict[str, str], rows: pd.DataFrame, reference: str | None
    ) -> pd.DataFrame:
        values = rows.pivot(index="image_id", columns="explainer", values="value")
        values = values.reindex(columns=self._explainers(metric)).dropna(axis="columns", how="all")
        if reference is None:
            means = values.mean()
            reference = str(means.idxmax() if self._higher(metric) else means.idxmin())
        if reference not in values:
            raise UserError(f"reference {reference!r} has no values; there are {', '.join(values)}")
        others = [name for name in values if name != reference]
        value_NM = values[others].to_numpy(np.float64)
        reference_N = values[reference].to_numpy(np.float64)
        shared = [name for name in others if (values[name] - values[reference]).notna().any()]
        found = compare(
            value_NM[:, [others.index(name) for name in shared]],
            reference_N,
            lambda value: bootstrap_interval(value, seed=self._run.seed),
        )
        return pd.DataFrame(
            {
                "metric": metric,
                **column,
                "explainer": shared,
                "reference": reference,
                "difference": found.difference_M,
                "ci_low": found.low_M,
                "ci_high": found.high_M,
                "n": found.n_M,
                "p_value": found.p_M,
                "p_holm": holm(found.p_M),
            }
        )

    def pairs(self, metric: str | None = None) -> pd.DataFrame:
        """Return each two methods' difference on the same images.

        Args:
            metric: None: the first.

        Returns:
            the mean difference with its 95 % bootstrap interval, the share of images on which the
            first is better, Wilcoxon's p-value, as it is and adjusted for all pairs of the column
            (Holm), and with how many images the test would find it in 80 % of the samples.
        """
        return self._differences(metric).sheets()[0].frame()

    def order(self, metric: str | None = None) -> pd.DataFrame:
        """Return each method's rank, its 95 % interval, and the share of resamples it leads.

        Args:
            metric: None: the first.
        """
        return self._differences(metric).sheets()[1].frame()

    def friedman(self, metric: str | None = None) -> pd.DataFrame:
        """Return Friedman's test over the images of each column, and over three columns and more.

        Args:
            metric: None: the first.
        """
        return self._differences(metric).sheets()[2].frame()

    def power(
        self, first: str, second: str, sizes: Sequence[int], metric: str | None = None
    ) -> pd.DataFrame:
        """Return the chance that so many images tell two methods apart (`swag.comparing.power_of`).

        Args:
            first: a method.
            second: another.
            sizes: numbers of images.
            metric: None: the first.

        Raises:
            UserError: one of the methods has no values.
        """
        metric = metric or self.metrics[0]
        known = self._explainers(metric)
        for name in (first, second):
            if name not in known:
                raise UserError(f"method {name!r} has no values; there are {', '.join(known)}")
        found = []
        for column, value_N2 in columns_of(by_variant(self._rows(metric)), [first, second]):
            power = power_of(value_N2[:, 0] - value_N2[:, 1], sizes)
            keys = dict(zip(KEYS, column, strict=True))
            found.append(pd.DataFrame({**keys, "images": list(sizes), "power": power}))
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()

    def splits(self, metric: str | None = None) -> dict[str, pd.DataFrame]:
        """Return the means by class and by correctness, of rows with labels and predictions.

        Args:
            metric: None: the first.
        """
        sheets = split_sheets("", by_variant(self._rows(metric or self.metrics[0])))
        return {sheet.name.lstrip("_"): sheet.frame() for sheet in sheets}

    def map_agreement(self, num_images: int | None = None) -> pd.DataFrame:
        """Return how far each two methods' stored maps agree.

        Args:
            num_images: of each data set and model, the first ones; None: 16 at most.
        """
        return maps_sheet(maps_alike(self._run, num_images), self._run.seed).frame()

    def _differences(self, metric: str | None) -> Differences:
        metric = metric or self.metrics[0]
        found = differences(
            metric,
            by_variant(self._rows(metric)),
            self._explainers(metric),
            higher_is_better=self._higher(metric),
            bootstrap=self._run.bands.interval,
        )
        if found is None:
            raise UserError(f"{metric}: no two methods have values on the same data and model")
        return found

    def plot(self, metric: str | None = None) -> Figure:
        """Return the mean curves of a metric that has some, else each method's mean and interval.

        Args:
            metric: None: the first.
        """
        metric = metric or self.metrics[0]
        rows = self._rows(metric)
        figure = curve_figure(self._run, metric, self._explainers(metric), rows)
        return self._bars(metric) if figure is None else figure

    def _bars(self, metric: str) -> Figure:
        table = self._table(metric)
        groups = list(table.groupby(KEYS, sort=False))
        figure = Figure(figsize=(5 * len(groups), 0.35 * table["explainer"].nunique() + 1.2))
        axes = figure.subplots(1, len(groups), squeeze=False)[0]
        for axis, (column, own) in zip(axes, groups, strict=True):
            low, high = own["mean"] - own["ci_low"], own["ci_high"] - own["mean"]
            axis.errorbar(own["mean"], own["explainer"], xerr=[low, high], fmt="o", capsize=3)
            axis.invert_yaxis()
            axis.set_title(", ".join(filter(None, column)))
            axis.set_xlabel(self._run.text(metric).label)
        figure.tight_layout()
        return figure

    def maps(self, explainer: str) -> dict[str, np.ndarray]:
        """Return a method's float32 (H, W) maps by image, where there is one model and data set.

        Raises:
            UserError: there are several; `swagflow` writes them by data set and model.
        """
        described = self._run.described
        if len(described.datasets) > 1 or len(described.models) > 1:
            raise UserError("maps: there are several data sets or models; read their Parquet files")
        (dataset,), (model,) = described.datasets, described.models
        return self._run.store.read_explanations(dataset, model, explainer)

    def report(self) -> str:
        """Return where the report is: tables, figures and galleries in one page."""
        return f"{self.run_dir.rstrip('/')}/report.html"

    def __repr__(self) -> str:
        return f"Results of {self.run_dir}\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        table = self.table()
        for column in ("mean", "ci_low", "ci_high"):
            table[column] = table[column].map("{:.4f}".format)
        report = html.escape(self.report())
        shown = table.to_html(index=False, border=0)
        rows = [self._run.rows_of(name) for name in self.metrics]
        missing = sum(int(own["error"].notna().sum()) for own in rows)
        told = f"<p>{missing} rows have an error: see <code>frame</code>.</p>" if missing else ""
        return f'{shown}{told}<p>Report: <a href="{report}">{report}</a></p>'

    def _rows(self, metric: str) -> pd.DataFrame:
        if metric not in self.metrics:
            raise UserError(f"metric {metric!r} is not there; there are {', '.join(self.metrics)}")
        return self._run.rows_of(metric)

    def _explainers(self, metric: str) -> list[str]:
        of_metric = [item for item in self._run.experiments.values() if item.metric == metric]
        return list(dict.fromkeys(name for item in of_metric for name in item.explainers))

    def _higher(self, metric: str) -> bool:
        return bool(self._run.described.metrics[metric]["higher_is_better"])
