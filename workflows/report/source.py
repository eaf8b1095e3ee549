"""What a report is made of: a run folder's settings and rows, in the benchmark's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from swag.types import Kind


class RunStore(Protocol):
    """The part of `workflows.store.Store` that a report needs."""

    def read_benchmark(self) -> dict[str, Any]: ...
    def read_provenance(self) -> dict[str, Any]: ...
    def read_scores(self, metric: str) -> pd.DataFrame: ...
    def read_roar(self) -> pd.DataFrame: ...
    def read_explanations(
        self, dataset: str, model: str, explainer: str, image_ids: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]: ...
    def write_bytes(self, relative: str, content: bytes) -> None: ...


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the benchmark: one metric of some explainers."""

    name: str
    metric: str
    explainers: tuple[str, ...]


class Run:
    """Reads a run folder; the rows of a metric are read once."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.benchmark = store.read_benchmark()
        self.provenance = store.read_provenance()
        self._scores: dict[str, pd.DataFrame] = {}

    @property
    def experiments(self) -> list[Experiment]:
        return [
            Experiment(name, fields["metric"], tuple(fields["explainers"]))
            for name, fields in (self.benchmark.get("experiments") or {}).items()
        ]

    @property
    def seed(self) -> int:
        return int(self.benchmark["seed"])

    def kinds(self, explainers: Sequence[str]) -> dict[str, Kind]:
        return {name: self.benchmark["explainers"][name]["kind"] for name in explainers}

    def higher_is_better(self, metric: str) -> bool:
        return bool(self.benchmark["metrics"][metric]["higher_is_better"])

    def fields(self, explainer: str) -> dict[str, object]:
        """Return an explainer's settings under dotted names."""
        return dict(_flat(self.benchmark["explainers"][explainer], ""))

    def subject(self, dataset: str, model: str) -> Mapping[str, Any]:
        """Return what identifies a model on a data set; empty where it was not written down."""
        found = (self.benchmark.get("subjects") or {}).get(f"{dataset}/{model}") or {}
        return found.get("model") or {}

    def scores(self, metric: str, explainers: Sequence[str]) -> pd.DataFrame:
        """Return the rows of some explainers, in the benchmark's order of data sets and models."""
        if metric not in self._scores:
            self._scores[metric] = self._sorted(self.store.read_scores(metric))
        frame = self._scores[metric]
        return frame if frame.empty else frame[frame["explainer"].isin(explainers)]

    def roar(self, explainers: Sequence[str]) -> pd.DataFrame:
        """Return the training jobs of some explainers, and every job without removed pixels."""
        frame = self._sorted(self.store.read_roar())
        if frame.empty:
            return frame
        return frame[frame["explainer"].isin(explainers) | (frame["removed_fraction"] == 0)]

    def _sorted(self, frame: pd.DataFrame) -> pd.DataFrame:
        if frame.empty:
            return frame
        keys = {
            name: frame[name].map(_rank(self.benchmark.get(f"{name}s") or {}))
            for name in ("dataset", "model")
        }
        order = pd.DataFrame(keys).sort_values(["dataset", "model"], kind="stable").index
        return frame.loc[order].reset_index(drop=True)


def _rank(names: Iterable[str]) -> dict[str, int]:
    return {name: position for position, name in enumerate(names)}


def _flat(value: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, object]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
