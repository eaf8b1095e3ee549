"""A whole shard on a device: which step takes how much of its time.

Steps are told apart by clocks around the package's own functions, which wait for the device before
and after: the shares are of time that somebody waits, and nothing is measured inside the package.
What steps call counts for the step that is called. PyTorch's profiler then says of one batch how
long the device computes, and in which kernels. Rows are packed and written as a run writes them, to
a folder that is deleted.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pyarrow as pa
import torch
from torch.profiler import ProfilerActivity, profile, record_function

import swag.curves.ranks
import swag.curves.scores
from benchmarks.gpu_jobs import cheap_explainers, classifier_of, taken
from benchmarks.gpu_timing import Session
from benchmarks.measure import photographs, synchronise
from benchmarks.pass_efficiency import input_size, with_slic
from swag.classifier import Classifier
from swag.denormals import flushed
from swag.forwards import CopyPasses
from swag.metrics.deletion import Deletion
from swag.protocols import Explainer
from swag.signals import Signals
from swag.superpixels import SLIC
from swag.types import Batch
from swagflow.store.parquet import encoded, mask_options
from swagflow.store.parts import Maps, Rows
from swagflow.store.tables import masks_table, scores_table

STEPS = (
    (Signals, "_run_backward", "model, signals"),
    (Classifier, "all_logits", "model, signals"),
    (Classifier, "copies_logits", "model, copies"),
    (SLIC, "__call__", "superpixels"),
    (swag.curves.ranks, "ranks", "sorting"),
    (swag.curves.scores, "target_scores", "perturbation"),
)
"""Whose function each step is."""
REST = "the rest"
PROFILED = ("grad_cam", "guided_backprop", "swag_ig")
KERNELS = 8


class Clocks:
    """Seconds of steps, of each without the steps inside it."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device = device
        self._inside: list[float] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        synchronise(self._device)
        start = time.perf_counter()
        self._inside.append(0.0)
        try:
            with record_function(name):
                yield
                synchronise(self._device)
        finally:
            whole = time.perf_counter() - start
            self.seconds[name] += whole - self._inside.pop()
            if self._inside:
                self._inside[-1] += whole

    @contextmanager
    def around_steps(self) -> Iterator[None]:
        """Measure the functions of `STEPS` inside the block."""
        with ExitStack() as stack:
            for owner, name, step in STEPS:
                wrapped = self._measured(getattr(owner, name), step)
                stack.enter_context(mock.patch.object(owner, name, wrapped))
            yield

    def _measured(self, function: Callable[..., Any], step: str) -> Callable[..., Any]:
        def measured(*arguments: Any, **named: Any) -> Any:
            with self.step(step):
                return function(*arguments, **named)

        return measured


class ShardOfPictures:
    """A shard: what `ShardWorker` does with one, without a run folder.

    Args:
        classifier: explains `batch_size` images at once.
        image_NCHW: on the CPU, as they come from a data set.
        explainers: by name.
    """

    def __init__(
        self, classifier: Classifier, image_NCHW: torch.Tensor, explainers: dict[str, Explainer]
    ) -> None:
        self.classifier = classifier
        self.image_NCHW = image_NCHW
        self.explainers = explainers

    def compute(self, clocks: Clocks, folder: Path) -> None:
        tables: dict[str, list[pa.Table]] = defaultdict(list)
        with flushed(), clocks.around_steps(), clocks.step(REST):
            for first in range(0, len(self.image_NCHW), self.classifier.batch_size):
                self._batch(first, clocks, tables)
            with clocks.step("writing"):
                for name, parts in tables.items():
                    explainer = self.explainers.get(name.removesuffix(".masks"))
                    options = mask_options(explainer.kind) if explainer else {}
                    content = encoded(pa.concat_tables(parts), "0", **options)
                    (folder / f"{name}.parquet").write_bytes(content)

    def _batch(self, first: int, clocks: Clocks, tables: dict[str, list[pa.Table]]) -> None:
        with clocks.step("images to the device"):
            image_BCHW = self.image_NCHW[first : first + self.classifier.batch_size]
            ids = tuple(str(first + number) for number in range(len(image_BCHW)))
            batch = Batch(image_BCHW=image_BCHW.to(self.classifier.device), image_ids=ids)
        needs = frozenset[str]().union(*(item.needs for item in self.explainers.values()))
        signals = Signals(self.classifier, batch, needs)
        rows = Rows(ids, [None] * len(ids), signals.target_B.tolist())
        for name, explainer in self.explainers.items():
            with clocks.step("maps"):
                saliency_BHW = explainer(signals)
            with clocks.step("writing"):
                maps = Maps(saliency_BHW.cpu().numpy(), 0.0, explainer.kind)
                tables[f"{name}.masks"].append(masks_table(rows, maps))
            score = Deletion()(signals, saliency_BHW)
            with clocks.step("writing"):
                tables[f"{name}.scores"].append(scores_table(rows, score))


def shard(session: Session, options: Namespace) -> dict[str, Any]:
    """Print and return the shares of a shard's time, with either SLIC, and a batch's kernels."""
    name, size = options.models[0], max(options.batch_sizes)
    classifier = classifier_of(name, session.device, size)
    classifier.copies = CopyPasses(forward="folded")
    image_NCHW = photographs(options.shard_images, input_size(classifier))
    cheap = taken(cheap_explainers(), classifier, image_NCHW)
    print(f"\n## A shard of {len(image_NCHW)} images, {name}, {size} at a time, "
          f"{len(cheap)} methods and their deletion\n")  # fmt: skip
    print("| SLIC | step | s | share |\n| --- | --- | --- | --- |")
    found: dict[str, Any] = {}
    for kind in ("skimage", "torch"):
        if found and session.left < found["skimage"]["seconds"]:
            session.left_out.append(f"the shard with SLIC by {kind}")
            continue
        explainers = {key: with_slic(item, kind) for key, item in cheap.items()}
        with TemporaryDirectory() as folder:
            first = ShardOfPictures(classifier, image_NCHW[:size], explainers)
            few = {key: item for key, item in explainers.items() if key in PROFILED}
            ShardOfPictures(classifier, first.image_NCHW, few).compute(
                Clocks(session.device), Path(folder)
            )  # what is paid once, such as compiling
            clocks = Clocks(session.device)
            ShardOfPictures(classifier, image_NCHW, explainers).compute(clocks, Path(folder))
        found[kind] = shares(kind, clocks, len(image_NCHW))
    found["kernels"] = kernels(ShardOfPictures(classifier, image_NCHW[:size], few), session.device)
    return found


def shares(kind: str, clocks: Clocks, images: int) -> dict[str, Any]:
    """Print and return how the time of a shard was spent."""
    whole = sum(clocks.seconds.values())
    for step, seconds in sorted(clocks.seconds.items(), key=lambda item: -item[1]):
        print(f"| {kind} | {step} | {seconds:.3f} | {seconds / whole:.1%} |")
    print(f"| {kind} | all, {images / whole:.1f} images/s | {whole:.3f} | |", flush=True)
    return {"seconds": whole, "images_per_second": images / whole, "steps": dict(clocks.seconds)}


def kernels(batch: ShardOfPictures, device: torch.device) -> dict[str, Any]:
    """Print and return the device's time in one batch, by kernel; on a CPU by operator."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
    clocks = Clocks(device)
    start = time.perf_counter()
    with profile(activities=activities) as profiled, TemporaryDirectory() as folder:
        batch.compute(clocks, Path(folder))
        whole = time.perf_counter() - start
    seconds: dict[str, float] = {}
    for event in profiled.key_averages():
        if event.device_type.name == device.type.upper() and event.key not in clocks.seconds:
            taken = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            seconds[event.key] = taken / 1e6
    busy = sum(seconds.values())
    what = "kernels" if on_gpu else "operators"
    print(f"\n{len(batch.image_NCHW)} images by {', '.join(batch.explainers)} and deletion: "
          f"{busy:.3f} s in {what} of {whole:.3f} s\n")  # fmt: skip
    print(f"| {what} | s | share |\n| --- | --- | --- |")
    longest = sorted(seconds.items(), key=lambda item: -item[1])[:KERNELS]
    for name, taken in longest:
        print(f"| {name[:80].replace('|', '/')} | {taken:.4f} | {taken / busy:.1%} |")
    return {"seconds": whole, "busy_seconds": busy, "longest": dict(longest)}
