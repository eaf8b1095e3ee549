"""One shard from images to stored parts, the same in this process and in a Ray actor."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from swag.progress import watched
from swag.types import Score

from ..config.benchmark import Benchmark
from ..errors import DamagedError
from ..store.parts import Cell, Maps
from ..store.tracebacks import Failure
from .guarding import require_saliency, unchanged
from .plan import Shard, Task
from .work import attempt
from .workshop import Bench, ShardReport, Workshop

NOT_FINITE = "the explanation has values that are not finite"
NOT_STORED = "it has no stored explanation"

log = logging.getLogger(__name__)


class ShardWorker:
    """Explains the images of shards of one benchmark and scores the explanations.

    Args:
        benchmark: what to compute.
        uri: the run folder.
        device: where the models run.
    """

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._workshop = Workshop(benchmark, uri, device)
        self.tell: Callable[[int, str], None] | None = None
        self._damaged: dict[str, Task] = {}
        """Of the shard in work, by explainer: whose stored masks cannot be read."""

    def prefetch(self, shard: Shard) -> None:
        """Begin to decode a shard's images, while another shard may be computed."""
        self._workshop.loader.begin(shard.slices(self._batch_size)[0])

    @property
    def _batch_size(self) -> int:
        return self._workshop.benchmark.batch_size

    def run(self, shard: Shard) -> ShardReport:
        """Compute and store what the shard's tasks ask for: batch by batch, each cell as one part.

        Tasks whose stored masks are damaged are done again without them.
        """
        self._damaged.clear()
        report = self._workshop.run(shard, self.run_task, self._batch_size)
        if not self._damaged:
            return report
        tasks = tuple(replace(task, stored_parts=None) for task in self._damaged.values())
        self._damaged.clear()
        again = self._workshop.run(replace(shard, tasks=tasks), self.run_task, self._batch_size)
        seconds = report.seconds + again.seconds
        return ShardReport(shard, seconds, report.num_errors + again.num_errors)

    def give_up(self, shard: Shard, failure: Failure) -> ShardReport:
        """Store rows with the failure for all that the shard asks for."""
        return self._workshop.give_up(shard, failure)

    def run_task(self, bench: Bench, task: Task) -> None:
        """Add a task's masks and scores of a batch to the parts."""
        if task.explainer in self._damaged:
            return
        explained = attempt(lambda: self._explained(bench, task))
        if isinstance(explained, Failure):
            self._workshop.spoil(bench, task, explained)
            return
        if explained is None:
            self._damaged[task.explainer] = task
            bench.parts.forget(cell for _, cell in task.metrics)
            return
        if task.stored_parts is None:
            self._tell_stored(bench, task)
        rows = bench.rows(explained.lost)
        for _, cell in task.metrics:
            score = attempt(partial(self._score, bench, cell, explained.saliency_BHW))
            if isinstance(score, Failure):
                self._workshop.spoil_cell(bench, cell, score)
            else:
                bench.parts.add_scores(cell, rows, _without(score, explained.lost))
            self._tell_stored(bench, task)

    def _tell_stored(self, bench: Bench, task: Task) -> None:
        if self.tell:
            self.tell(len(bench.shard.image_ids), f"{bench.shard.subject}: {task.explainer}")

    def _tell_share(self, what: str, done: int, total: int | None) -> None:
        """Tell how far a method is with the shard, until its rows are there."""
        if self.tell and total and done < total:
            self.tell(0, f"{what}, {done / total:.0%}")

    def _score(self, bench: Bench, cell: Cell, saliency_BHW: Tensor) -> Score:
        """Return a metric's score, by the model that was fine-tuned for it where one is."""
        metric = self._workshop.benchmark.metrics[str(cell.name.metric)]
        explainer = self._workshop.benchmark.explainer(cell.name.explainer, bench.shard.model)
        signals = self._workshop.judge(bench, cell)
        with unchanged(signals.classifier.model):
            return metric(signals.of_explainer(explainer), saliency_BHW)

    def _explained(self, bench: Bench, task: Task) -> _Explained | None:
        """Return a batch's saliencies, read where they are stored, else made and stored.

        None where those that are stored are damaged.
        """
        if task.stored_parts is not None:
            try:
                return self._stored(bench, task.stored_parts)
            except DamagedError as error:
                log.warning("%s; its explanations are made again", error)
                return None
        explainer = self._workshop.benchmark.explainer(task.explainer, bench.shard.model)
        batch = bench.signals.batch
        start = time.perf_counter()
        classifier = bench.signals.classifier
        told = partial(self._tell_share, f"{bench.shard.subject}: {task.explainer}")
        with (
            unchanged(classifier.model),
            watched(classifier, explainer, len(batch), told if self.tell else None),
        ):
            saliency_BHW = require_saliency(explainer(bench.signals), batch.image_BCHW)
        finite_B = torch.isfinite(saliency_BHW).flatten(1).all(1).tolist()
        seconds = (time.perf_counter() - start) / len(batch)
        explained = _Explained(
            saliency_BHW, {i: NOT_FINITE for i, finite in enumerate(finite_B) if not finite}
        )
        good = saliency_BHW[finite_B].cpu().numpy()
        maps = Maps(good, seconds, explainer.kind)
        bench.parts.add_masks(task.explanation, bench.rows(explained.lost), maps)
        return explained.blanked()

    def _stored(self, bench: Bench, parts: tuple[str, ...]) -> _Explained:
        """Return saliencies that were stored before; an image that had an error has none."""
        batch = bench.signals.batch
        maps = {
            image_id: torch.from_numpy(saliency_HW.copy())
            for path in parts
            for image_id, saliency_HW in self._workshop.store.read_part(
                path, bench.shard.span
            ).items()
        }
        blank_HW = torch.zeros(batch.image_BCHW.shape[2:])
        saliency_BHW = torch.stack([maps.get(i, blank_HW) for i in batch.image_ids])
        lost = {n: NOT_STORED for n, i in enumerate(batch.image_ids) if i not in maps}
        return _Explained(saliency_BHW.to(self._workshop.device), lost)


@dataclass(frozen=True)
class _Explained:
    saliency_BHW: Tensor
    lost: Mapping[int, str]
    """Why an image has none, by its place in the batch."""

    def blanked(self) -> _Explained:
        """Return it with zeros where there is none, so that metrics can score the others."""
        if not self.lost:
            return self
        saliency_BHW = self.saliency_BHW.clone()
        saliency_BHW[list(self.lost)] = 0.0
        return _Explained(saliency_BHW, self.lost)


def _without(score: Score, lost: Mapping[int, str]) -> Score:
    """Return the scores of the images that are not lost."""
    if not lost:
        return score
    kept = [index for index in range(len(score.value_B)) if index not in lost]
    columns = {
        name: tuple(values[i] for i in kept) if isinstance(values, tuple) else values[kept]
        for name, values in score.columns.items()
    }
    curve_BT = None if score.curve_BT is None else score.curve_BT[kept]
    return Score(score.value_B[kept], curve_BT, columns)
