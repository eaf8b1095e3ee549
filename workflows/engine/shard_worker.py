"""One shard from images to stored parts, the same in this process and in a Ray actor."""

from __future__ import annotations

import time
from functools import partial

import torch
from torch import Tensor

from ..config.benchmark import Benchmark
from ..store.parts import Maps, Rows
from ..store.tracebacks import Failure
from .plan import Shard, Task
from .work import attempt
from .workshop import Bench, ShardReport, Workshop


class ShardWorker:
    """Explains the images of shards of one benchmark and scores the explanations.

    Args:
        benchmark: what to compute.
        uri: the run folder.
        device: where the models run.
    """

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._workshop = Workshop(benchmark, uri, device)

    def prefetch(self, shard: Shard) -> None:
        """Begin to decode a shard's images, while another shard may be computed."""
        self._workshop.prefetch(shard)

    def run(self, shard: Shard) -> ShardReport:
        """Compute and store what the shard's tasks ask for, part by part."""
        return self._workshop.run(shard, self.run_task)

    def give_up(self, shard: Shard, failure: Failure) -> ShardReport:
        """Store rows with the failure for all that the shard asks for."""
        return self._workshop.give_up(shard, failure)

    def run_task(self, bench: Bench, task: Task) -> int:
        """Store a task's masks and scores; return how many rows have an error."""
        explained = attempt(lambda: self._saliency(bench, task))
        if isinstance(explained, Failure):
            return self._workshop.spoil(bench, task, explained)
        rows, saliency_BHW = explained
        num_errors = bench.num_bad_images * (task.stored_parts is None)
        for name, cell in task.metrics:
            metric = self._workshop.benchmark.metrics[name]
            score = attempt(partial(metric, bench.signals, saliency_BHW))
            if isinstance(score, Failure):
                num_errors += self._workshop.spoil_cell(bench, cell, score)
            else:
                self._workshop.store.write_scores(cell, bench.shard.span, rows, score)
                num_errors += bench.num_bad_images
        return num_errors

    def _saliency(self, bench: Bench, task: Task) -> tuple[Rows, Tensor]:
        """Return the shard's rows and saliencies, read where they are stored, else stored."""
        store, batch = self._workshop.store, bench.signals.batch
        rows = bench.rows()
        if task.stored_parts is not None:
            maps = {
                image_id: saliency_HW
                for path in task.stored_parts
                for image_id, saliency_HW in store.read_part(path).items()
            }
            if missing := [i for i in batch.image_ids if i not in maps]:
                raise ValueError(
                    f"{len(missing)} images have no stored explanation, {missing[0]} first"
                )
            stored = [torch.from_numpy(maps[i].copy()) for i in batch.image_ids]
            return rows, torch.stack(stored).to(self._workshop.device)
        explainer = self._workshop.benchmark.explainer(task.explainer, bench.shard.model)
        start = time.perf_counter()
        saliency_BHW = explainer(bench.signals)
        on_cpu = saliency_BHW.cpu().numpy()
        seconds = (time.perf_counter() - start) / len(batch)
        maps_of = Maps(on_cpu, seconds, explainer.kind)
        store.write_explanations(task.explanation, bench.shard.span, rows, maps_of)
        return rows, saliency_BHW
