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
from .collecting import Parts
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
    """A batch whose images are loaded, ready for the tasks of its shard."""

    shard: Shard
    """The batch: the shard's tasks on some of its images."""
    parts: Parts
    """Takes the rows."""
    signals: Signals
    """Of the images that could be loaded."""
    errors: tuple[str | None, ...]
    """Why an image could not, for each image of the batch."""
    num_labels: int = 0
    """Classes of the data set; 0 where it has no labels."""

    def rows(self, lost: Mapping[int, str] | None = None) -> Rows:
        """Return the batch's rows, each without an error or with its image's.

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
        self._classifiers = Classifiers(benchmark, self.store, self.device)

    def run(
        self, shard: Shard, run_task: Callable[[Bench, Task], None], at_once: int
    ) -> ShardReport:
        """Do the tasks of a shard, batch by batch; parts are written when the last one is done.

        Args:
            run_task: adds the rows of a task to the parts.
            at_once: images of a batch.
        """
        start = time.perf_counter()
        log.debug(
            "shard %s: %d images, %d tasks", shard.name, len(shard.image_ids), len(shard.tasks)
        )
        parts, batches = Parts(self.store, shard), shard.slices(at_once)
        for batch, upcoming in zip(batches, [*batches[1:], None], strict=True):
            loaded = self.loader.take(batch)
            if upcoming:
                self.loader.begin(upcoming)
            self._do(batch, loaded, parts, run_task)
        seconds = time.perf_counter() - start
        log.debug("shard %s: done in %.2f s, %d errors", shard.name, seconds, parts.num_errors)
        return ShardReport(shard, seconds, parts.num_errors)

    def _do(
        self, batch: Shard, loaded: Loaded, parts: Parts, run_task: Callable[[Bench, Task], None]
    ) -> None:
        if loaded.samples:
            bench = self._bench(batch, loaded, parts)
            for task in batch.tasks:
                run_task(bench, task)
        else:
            for task in batch.tasks:
                self._spoil(parts, batch, task, loaded.errors)

    def give_up(self, shard: Shard, failure: Failure) -> ShardReport:
        """Store rows with a failure for all that a shard asks for."""
        error = self._failures.keep(failure, _about(shard))
        errors = [error] * len(shard.image_ids)
        parts = Parts(self.store, shard)
        for task in shard.tasks:
            self._spoil(parts, shard, task, errors)
        return ShardReport(shard, 0.0, parts.num_errors)

    def spoil(self, bench: Bench, task: Task, failure: Failure) -> None:
        """Store rows with a failure for all images of a task's batch."""
        error = self._failures.keep(failure, _about(bench.shard) | {"explainer": task.explainer})
        self._spoil(bench.parts, bench.shard, task, [own or error for own in bench.errors])

    def spoil_cell(self, bench: Bench, cell: Cell, failure: Failure) -> None:
        """Store rows with a failure for all images of one metric's batch."""
        about = {"explainer": cell.name.explainer, "metric": str(cell.name.metric)}
        error = self._failures.keep(failure, _about(bench.shard) | about)
        _add_unscored(bench.parts, bench.shard, cell, [own or error for own in bench.errors])

    def _spoil(self, parts: Parts, batch: Shard, task: Task, errors: Sequence[str | None]) -> None:
        if task.stored_parts is None:
            kind = self.benchmark.explainer(task.explainer, batch.model).kind
            rows = Rows(batch.image_ids, errors, [None] * len(errors))
            maps = Maps(np.zeros((0, 1, 1), np.float32), 0.0, kind)
            parts.add_masks(task.explanation, rows, maps)
        for _, cell in task.metrics:
            _add_unscored(parts, batch, cell, errors)

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

    def _bench(self, shard: Shard, loaded: Loaded, parts: Parts) -> Bench:
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
        return Bench(shard, parts, signals, loaded.errors, loaded.num_labels)


def _add_unscored(parts: Parts, batch: Shard, cell: Cell, errors: Sequence[str | None]) -> None:
    rows = Rows(batch.image_ids, errors, [None] * len(errors))
    parts.add_scores(cell, rows, Score(value_B=torch.zeros(0, dtype=torch.float64)))


def _about(shard: Shard) -> dict[str, str]:
    """Return what a shard is of, for who reads of its failure."""
    first, last = shard.image_ids[0], shard.image_ids[-1]
    images = first if first == last else f"{first} to {last} ({len(shard.image_ids)})"
    return {"data set": shard.dataset, "model": shard.model, "images": images}
