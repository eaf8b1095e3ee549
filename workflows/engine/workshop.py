"""What workers of shards have in common: store, models, and errors as rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch

from swag.signals import Signals
from swag.types import Score

from ..config.benchmark import Benchmark
from ..hardware import device_name
from ..store.failures import FailureFiles
from ..store.parts import Answers, Cell, Maps, Rows
from ..store.run_folder import Store
from ..store.tracebacks import Failure
from .classifiers import Classifiers
from .loading import Loaded, Loader, to_batch
from .plan import Shard, Task

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardReport:
    """What a worker tells of a finished shard; results themselves are in the store."""

    shard: Shard
    seconds: float
    num_errors: int
    """Rows stored with an error."""


@dataclass(frozen=True)
class Bench:
    """A shard whose images are loaded, ready for its tasks."""

    shard: Shard
    signals: Signals
    """Of the images that could be loaded."""
    errors: tuple[str | None, ...]
    """Why an image could not, for each image of the shard."""
    num_labels: int = 0
    """Classes of the data set; 0 where it has no labels."""

    @property
    def num_bad_images(self) -> int:
        return sum(error is not None for error in self.errors)

    def rows(self, lost: Mapping[int, str] | None = None) -> Rows:
        """Return the shard's rows, each without an error or with its image's.

        Args:
            lost: why images that could be loaded have no values, by their place in the batch.
        """
        targets = self.signals.target_B.tolist()
        errors = list(self.errors)
        own: list[int | None] = [None] * len(errors)
        loaded = [place for place, error in enumerate(self.errors) if error is None]
        for index, place in enumerate(loaded):
            errors[place] = (lost or {}).get(index)
            own[place] = targets[index] if errors[place] is None else None
        return Rows(self.shard.image_ids, errors, own, self.answers)

    @cached_property
    def answers(self) -> Answers:
        """What the model says of the images; a label counts where it is one of its classes."""
        signals = self.signals
        score_BK, prediction_B = signals.probability_BK, signals.prediction_B
        label_B = torch.full_like(prediction_B, -1)
        if self.num_labels == score_BK.shape[1] and signals.batch.label_B is not None:
            label_B = signals.batch.label_B
        labels = [None if label < 0 else label for label in label_B.tolist()]
        scores, targets = (
            score_BK.gather(1, class_B[:, None])[:, 0].tolist()
            for class_B in (prediction_B, signals.target_B)
        )
        return Answers(
            labels=self._spread(labels),
            predictions=self._spread(prediction_B.tolist()),
            probabilities=self._spread(scores),
            target_probabilities=self._spread(targets),
        )

    def _spread(self, values: Sequence[T]) -> list[T | None]:
        """Return the values of the images that could be loaded in the places of all."""
        left = iter(values)
        return [next(left) if error is None else None for error in self.errors]


class Workshop:
    """Prepares shards of one benchmark and stores what fails; keeps models and data sets.

    Args:
        benchmark: what to compute.
        uri: the run folder.
        device: where the models run.
    """

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self.benchmark = benchmark
        self.store = Store(uri, begun=True)
        self.device = torch.device(device)
        self._failures = FailureFiles(self.store.folder, device_name(self.device))
        self.loader = Loader(benchmark.datasets, benchmark.target)
        self._classifiers = Classifiers(benchmark, self.store.folder, self.device)

    def run(self, shard: Shard, run_task: Callable[[Bench, Task], int]) -> ShardReport:
        """Do the tasks of a shard, part by part.

        Args:
            run_task: stores what a task asks for and returns how many of its rows have an error.
        """
        start = time.perf_counter()
        log.debug(
            "shard %s: %d images, %d tasks", shard.name, len(shard.image_ids), len(shard.tasks)
        )
        loaded = self.loader.take(shard)
        if loaded.samples:
            bench = self._bench(shard, loaded)
            num_errors = sum(run_task(bench, task) for task in shard.tasks)
        else:
            num_errors = sum(self._spoil(shard, task, loaded.errors) for task in shard.tasks)
        seconds = time.perf_counter() - start
        log.debug("shard %s: done in %.2f s, %d errors", shard.name, seconds, num_errors)
        return ShardReport(shard, seconds, num_errors)

    def give_up(self, shard: Shard, failure: Failure) -> ShardReport:
        """Store rows with a failure for all that a shard asks for."""
        error = self._failures.keep(failure, _about(shard))
        errors = [error] * len(shard.image_ids)
        count = sum(self._spoil(shard, task, errors) for task in shard.tasks)
        return ShardReport(shard, 0.0, count)

    def spoil(self, bench: Bench, task: Task, failure: Failure) -> int:
        """Store rows with a failure for all images of a task; return how many."""
        error = self._failures.keep(failure, _about(bench.shard) | {"explainer": task.explainer})
        return self._spoil(bench.shard, task, [own or error for own in bench.errors])

    def spoil_cell(self, bench: Bench, cell: Cell, failure: Failure) -> int:
        """Store rows with a failure for all images of one metric; return how many."""
        about = {"explainer": cell.name.explainer, "metric": str(cell.name.metric)}
        error = self._failures.keep(failure, _about(bench.shard) | about)
        self._store_unscored(bench.shard, cell, [own or error for own in bench.errors])
        return len(bench.errors)

    def _spoil(self, shard: Shard, task: Task, errors: Sequence[str | None]) -> int:
        if task.stored_parts is None:
            kind = self.benchmark.explainer(task.explainer, shard.model).kind
            rows = Rows(shard.image_ids, errors, [None] * len(errors))
            maps = Maps(np.zeros((0, 1, 1), np.float32), 0.0, kind)
            self.store.write_explanations(task.explanation, shard.span, rows, maps)
        for _, cell in task.metrics:
            self._store_unscored(shard, cell, errors)
        return len(errors) * ((task.stored_parts is None) + len(task.metrics))

    def _store_unscored(self, shard: Shard, cell: Cell, errors: Sequence[str | None]) -> None:
        rows = Rows(shard.image_ids, errors, [None] * len(errors))
        nothing = Score(value_B=torch.zeros(0, dtype=torch.float64))
        self.store.write_scores(cell, shard.span, rows, nothing)

    def judge(self, bench: Bench, cell: Cell) -> Signals:
        """Return the signals of the model that scores a cell: the one explained, or a tuned one.

        Targets are always those of the model that is explained.

        Raises:
            ValueError: see `Classifiers.judge`.
        """
        if not cell.tuned:
            return bench.signals

        def made() -> Signals:
            batch = replace(bench.signals.batch, target_B=bench.signals.target_B)
            return Signals(self._classifiers.judge(bench.shard.subject, cell.tuned), batch)

        return bench.signals.once(cell.tuned, made)

    def _bench(self, shard: Shard, loaded: Loaded) -> Bench:
        needs = frozenset[str]().union(
            *(
                self.benchmark.explainer(task.explainer, shard.model).needs
                for task in shard.tasks
                if task.stored_parts is None
            )
        )
        classifier = self._classifiers.explained(shard.subject)
        batch = to_batch(loaded, self.benchmark.seed, classifier)
        signals = Signals(classifier, batch, needs)
        return Bench(shard, signals, loaded.errors, loaded.num_labels)


def _about(shard: Shard) -> dict[str, str]:
    """Return what a shard is of, for who reads of its failure."""
    first, last = shard.image_ids[0], shard.image_ids[-1]
    images = first if first == last else f"{first} to {last} ({len(shard.image_ids)})"
    return {"data set": shard.dataset, "model": shard.model, "images": images}
