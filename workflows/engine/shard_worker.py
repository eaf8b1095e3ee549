"""One shard from images to stored parts, the same in this process and in a Ray actor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from swag.classifier import Classifier
from swag.models import load_classifier
from swag.signals import Signals
from swag.types import Batch, Score

from ..config.benchmark import Benchmark
from ..data import Dataset, Sample
from ..errors import ImageError
from ..store.parts import Cell, Maps, Rows
from ..store.run_folder import Store
from .plan import Shard, Task
from .work import attempt

T = TypeVar("T")
KEPT_MODELS = 2
KEPT_SHARDS = 2


@dataclass(frozen=True)
class ShardReport:
    """What a worker tells of a finished shard; results themselves are in the store."""

    shard: Shard
    seconds: float
    num_errors: int
    """Rows stored with an error."""


@dataclass(frozen=True)
class _Loaded:
    """The images of a shard: samples of those that could be loaded, the others as errors."""

    samples: tuple[Sample, ...]
    errors: tuple[str | None, ...]


class ShardWorker:
    """Computes shards of one benchmark; keeps models and data sets between them.

    Args:
        benchmark: what to compute.
        uri: the run folder.
        device: where the models run.
    """

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._benchmark = benchmark
        self._store = Store(uri)
        self._device = torch.device(device)
        self._datasets: dict[str, Dataset] = {}
        self._classifiers: dict[tuple[str, str], Classifier] = {}
        # One thread opens data sets and decodes, whoever asks for a shard's images.
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._loading: dict[str, Future[_Loaded]] = {}

    def prefetch(self, shard: Shard) -> None:
        """Begin to decode a shard's images, while another shard may be computed."""
        if shard.name in self._loading:
            return
        while len(self._loading) >= KEPT_SHARDS:  # announced, but another worker had it
            self._loading.pop(next(iter(self._loading))).cancel()
        self._loading[shard.name] = self._loader.submit(self._load, shard)

    def run(self, shard: Shard) -> ShardReport:
        """Compute and store what the shard's tasks ask for, part by part."""
        start = time.perf_counter()
        self.prefetch(shard)
        loaded = self._loading.pop(shard.name).result()
        num_errors = 0
        if not loaded.samples:
            for task in shard.tasks:
                num_errors += self.store_failure(shard, task, loaded.errors)
        else:
            classifier = self._classifier(shard.dataset, shard.model)
            needs = frozenset[str]().union(
                *(
                    self._benchmark.explainer(task.explainer, shard.model).needs
                    for task in shard.tasks
                    if task.stored_parts is None
                )
            )
            batch = to_batch(loaded.samples, self._benchmark.seed, self._device)
            signals = Signals(classifier, batch, needs)
            for task in shard.tasks:
                num_errors += self._run_task(shard, task, signals, loaded.errors)
        return ShardReport(shard, time.perf_counter() - start, num_errors)

    def _run_task(
        self, shard: Shard, task: Task, signals: Signals, errors: Sequence[str | None]
    ) -> int:
        """Store a task's masks and scores; return how many rows have an error."""
        result, failure = attempt(lambda: self._saliency(shard, task, signals, errors))
        if result is None:
            return self.store_failure(shard, task, [e or failure for e in errors])
        rows, saliency_BHW = result
        failed = sum(error is not None for error in errors)
        num_errors = failed * (task.stored_parts is None)
        for name, cell in task.metrics:
            metric = self._benchmark.metrics[name]
            score, failure = attempt(partial(metric, signals, saliency_BHW))
            if score is None:
                self._store_unscored(shard, cell, [e or failure for e in errors])
                num_errors += len(errors)
            else:
                self._store.write_scores(cell, shard.span, rows, score)
                num_errors += failed
        return num_errors

    def _saliency(
        self, shard: Shard, task: Task, signals: Signals, errors: Sequence[str | None]
    ) -> tuple[Rows, Tensor]:
        """Return the shard's rows and saliencies, read where they are stored, else stored."""
        rows = self._rows(shard, signals, errors)
        if task.stored_parts is not None:
            maps = {
                image_id: saliency_HW
                for path in task.stored_parts
                for image_id, saliency_HW in self._store.read_part(path).items()
            }
            if missing := [i for i in signals.batch.image_ids if i not in maps]:
                raise ValueError(
                    f"{len(missing)} images have no stored explanation, {missing[0]} first"
                )
            stored = [torch.from_numpy(maps[i].copy()) for i in signals.batch.image_ids]
            return rows, torch.stack(stored).to(self._device)
        explainer = self._benchmark.explainer(task.explainer, shard.model)
        start = time.perf_counter()
        saliency_BHW = explainer(signals)
        on_cpu = saliency_BHW.cpu().numpy()
        seconds = (time.perf_counter() - start) / len(signals.batch)
        self._store.write_explanations(
            task.explanation, shard.span, rows, Maps(on_cpu, seconds, explainer.kind)
        )
        return rows, saliency_BHW

    @staticmethod
    def _rows(shard: Shard, signals: Signals, errors: Sequence[str | None]) -> Rows:
        targets = iter(signals.target_B.tolist())
        return Rows(shard.image_ids, errors, [next(targets) if e is None else None for e in errors])

    def give_up(self, shard: Shard, error: str) -> ShardReport:
        """Store rows with the error for all that the shard asks for."""
        errors = [error] * len(shard.image_ids)
        count = sum(self.store_failure(shard, task, errors) for task in shard.tasks)
        return ShardReport(shard, 0.0, count)

    def store_failure(self, shard: Shard, task: Task, errors: Sequence[str | None]) -> int:
        """Store rows without values for all images of a task; return how many."""
        if task.stored_parts is None:
            kind = self._benchmark.explainer(task.explainer, shard.model).kind
            rows = Rows(shard.image_ids, errors, [None] * len(errors))
            maps = Maps(np.zeros((0, 1, 1), np.float32), 0.0, kind)
            self._store.write_explanations(task.explanation, shard.span, rows, maps)
        for _, cell in task.metrics:
            self._store_unscored(shard, cell, errors)
        return len(errors) * ((task.stored_parts is None) + len(task.metrics))

    def _store_unscored(self, shard: Shard, cell: Cell, errors: Sequence[str | None]) -> None:
        rows = Rows(shard.image_ids, errors, [None] * len(errors))
        nothing = Score(value_B=torch.zeros(0, dtype=torch.float64))
        self._store.write_scores(cell, shard.span, rows, nothing)

    def _load(self, shard: Shard) -> _Loaded:
        dataset = self._dataset(shard.dataset)
        samples: list[Sample] = []
        errors: list[str | None] = []
        for image_id in shard.image_ids:
            try:
                samples.append(dataset.load(image_id))
                errors.append(None)
            except ImageError as error:
                errors.append(str(error))
        return _Loaded(tuple(samples), tuple(errors))

    def _dataset(self, name: str) -> Dataset:
        if name not in self._datasets:
            self._datasets[name] = self._benchmark.datasets[name].open()
        return self._datasets[name]

    def _classifier(self, dataset: str, model: str) -> Classifier:
        key = (dataset, model)
        if key not in self._classifiers:
            while len(self._classifiers) >= KEPT_MODELS:
                self._classifiers.pop(next(iter(self._classifiers)))
            self._classifiers[key] = load_classifier(
                self._benchmark.model_spec(dataset, model),
                device=self._device,
                batch_size=self._benchmark.batch_size,
            )
        return self._classifiers[key]


def to_batch(samples: Sequence[Sample], seed: int, device: torch.device) -> Batch:
    """Return samples of one size as a batch."""
    masks = [sample.mask_HW for sample in samples]
    known = [mask for mask in masks if mask is not None]
    return Batch(
        image_BCHW=torch.stack([sample.image_CHW for sample in samples]).to(device),
        image_ids=tuple(sample.image_id for sample in samples),
        seed=seed,
        label_B=torch.tensor([-1 if s.label is None else s.label for s in samples], device=device),
        boxes=tuple(sample.boxes_N4 for sample in samples),
        mask_BHW=torch.stack(known).to(device) if len(known) == len(masks) else None,
    )
