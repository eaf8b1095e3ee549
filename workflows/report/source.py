"""What a report is made of: a run folder's settings and rows, in the benchmark's order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from swag.types import Kind

from ..store.described import Described
from ..store.experiments import Experiment
from ..store.files import Folder
from ..store.parts import CellName, Subject
from .answers import known_correct
from .bands import Bands
from .frames import Cells, compact_frame
from .names import Labels, flat
from .texts import metric_text
from .tuned_texts import roar_cost, tuned_cost
from .wording import ROAR, MetricText


class RunStore(Protocol):
    """The part of `swagflow.store.run_folder.Store` that a report needs."""

    @property
    def folder(self) -> Folder: ...
    def read_benchmark(self) -> Described: ...
    def read_provenance(self) -> dict[str, Any]: ...
    def metrics(self) -> list[str]: ...
    def score_cells(self, metric: str) -> Iterator[tuple[CellName, pa.Table]]: ...
    def score_cell(self, name: CellName) -> pa.Table | None: ...
    def score_rows(self, name: CellName, image_ids: Iterable[str]) -> list[dict[str, Any]]: ...
    def read_roar(self) -> pd.DataFrame: ...
    def read_explanations(
        self, dataset: str, model: str, explainer: str, image_ids: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]: ...
    def explanation_parts(
        self, dataset: str, model: str, explainer: str
    ) -> Iterator[dict[str, np.ndarray]]: ...
    def write_bytes(self, relative: str, content: bytes) -> None: ...


class Run:
    """Reads a run folder; the rows of a metric are read once, and their curves are not kept."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.described = store.read_benchmark()
        self.provenance = store.read_provenance()
        self.labels = Labels(self.described)
        self.bands = Bands(self.experiments, self.seed, store.score_cell)
        self._scores: dict[str, pd.DataFrame] = {}

    @property
    def experiments(self) -> dict[str, Experiment]:
        """Return the experiments that have a metric, in the benchmark's order."""
        return {
            name: item
            for name, item in self.described.experiments.items()
            if item.metric is not None
        }

    @property
    def seed(self) -> int:
        return self.described.seed

    def kinds(self, explainers: Sequence[str]) -> dict[str, Kind]:
        return {name: self.described.kind(name) for name in explainers}

    def fields(self, explainer: str) -> dict[str, object]:
        """Return an explainer's settings under dotted names."""
        return flat(self.described.explainers[explainer])

    def model(self, dataset: str, model: str) -> Mapping[str, Any]:
        """Return what identifies a model on a data set; empty where it was not written down."""
        found = self.described.subjects.get(str(Subject(dataset, model)), {})
        return found.get("model") or {}

    def text(self, metric: str) -> MetricText:
        """Return how a metric is written about."""
        return metric_text(metric, self.described.metrics[metric])

    def metric_text(self, metric: str) -> MetricText:
        """Return `text` of a metric, or of remove and retrain, which is none."""
        return self.text(metric) if metric in self.described.metrics else ROAR

    def cost(self, metric: str, datasets: Sequence[str]) -> str:
        """Return what was trained for a metric, and its passes; nothing where nothing was."""
        return tuned_cost(self.described, metric, datasets)

    @property
    def cost_of_retraining(self) -> str:
        return roar_cost(self.described)

    def read(self) -> None:
        """Read the rows of all metrics."""
        for metric in self.store.metrics():
            self.rows_of(metric)

    def rows_of(self, metric: str) -> pd.DataFrame:
        """Return a metric's rows, in the benchmark's order of data sets and models.

        See `frames.compact_frame`: they have no curves, and their names are categories.
        """
        if metric not in self._scores:
            self._scores[metric] = compact_frame(self._cells(metric), self._place)
        return self._scores[metric]

    def _cells(self, metric: str) -> Cells:
        for name, table in self.store.score_cells(metric):
            self.bands.take(name, table)
            yield name, table

    def _place(self, name: CellName) -> tuple[int, ...]:
        """Return what cells are sorted by."""
        asked = self.described.datasets, self.described.models
        places = [list(names) for names in asked]
        return tuple(
            own.index(each) if each in own else len(own)
            for own, each in zip(places, name.subject, strict=True)
        )

    def scores(self, experiment: Experiment) -> pd.DataFrame:
        """Return an experiment's rows, in the benchmark's order of data sets and models."""
        frame = self.rows_of(str(experiment.metric))
        for column in ("explainers", "datasets", "models"):
            names = getattr(experiment, column)
            if names and not frame.empty:
                frame = frame[frame[column.removesuffix("s")].isin(names)]
        return known_correct(frame, str(experiment.metric)) if experiment.only_correct else frame

    def roar_jobs(self) -> pd.DataFrame:
        """Return the training jobs in the benchmark's order of data sets and models."""
        return self.sorted(self.store.read_roar())

    def sorted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows in the benchmark's order of data sets and models."""
        if frame.empty:
            return frame
        keys = {
            name: frame[name].map(_rank(getattr(self.described, f"{name}s")))
            for name in ("dataset", "model")
        }
        order = pd.DataFrame(keys).sort_values(["dataset", "model"], kind="stable").index
        return frame.loc[order].reset_index(drop=True)


def _rank(names: Iterable[str]) -> dict[str, int]:
    return {name: position for position, name in enumerate(names)}
