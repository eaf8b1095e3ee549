"""Which way perturbed copies go through each model, where a benchmark asks for the fastest.

A worker measures it once for a run folder, with a batch of the images that are to be explained.
`copies.json` keeps what was found, so that all workers, and whoever goes on with the run, on
whatever machine, take the same way and come to the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from swag.forwards import CopyPasses
from swag.models import load_classifier

from ..config.benchmark import Benchmark
from ..hardware import device_name
from ..store.parts import Subject
from ..store.run_folder import COPIES, Store
from ..store.tracebacks import Failure
from .loading import Loader
from .plan import Shard
from .work import Dispatcher, Job

FASTEST = "fastest"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """A model to be measured, with a batch of its images."""

    batch: Shard

    @property
    def name(self) -> str:
        return f"ways through {self.batch.subject}"

    def apart(self) -> tuple[Trial, ...]:
        """Return itself: it has no parts."""
        return (self,)


@dataclass(frozen=True)
class Found:
    """A way through a model, and why it is that."""

    subject: Subject
    about: dict[str, Any]
    """`forward`; `device` and `seconds`, of a pass by each way; `error` where there are none."""


class WaysWorker:
    """Measures ways of copies through models of one benchmark."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:  # noqa: ARG002
        self._benchmark = benchmark
        self._device = torch.device(device)
        self._loader = Loader(benchmark.datasets, benchmark.target)

    def prefetch(self, trial: Trial) -> None:
        """Begin to decode a trial's images."""
        self._loader.begin(trial.batch)

    def run(self, trial: Trial) -> Found:
        """Measure the ways through a model.

        Raises:
            ValueError: none of the images can be loaded.
        """
        loaded = self._loader.take(trial.batch)
        if not loaded.samples:
            raise ValueError("none of the images to measure with can be loaded")
        subject, benchmark = trial.batch.subject, self._benchmark
        spec = benchmark.model_spec(*subject)
        classifier = load_classifier(spec, device=self._device, batch_size=benchmark.batch_size)
        classifier.copies = benchmark.copies
        image_BCHW = torch.stack([sample.image_CHW for sample in loaded.samples])
        found = classifier.quickest_copies(classifier.prepared(image_BCHW))
        seconds = {way: float(f"{best:.3g}") for way, best in found.seconds.items()}
        about = {"device": device_name(self._device), "seconds": seconds}
        return Found(subject, {"forward": found.forward, **about})

    def give_up(self, trial: Trial, failure: Failure) -> Found:
        """Return the way that is taken where nothing is asked for; shards tell what is wrong."""
        log.warning("%s: %s; copies are %s", trial.name, failure.line, Benchmark.forward)
        return Found(trial.batch.subject, {"forward": Benchmark.forward, "error": failure.line})


def find_ways(job: Job, shards: Iterable[Shard], dispatcher: Dispatcher) -> None:
    """Have workers measure what the folder does not know yet, and let provenance.json tell it."""
    benchmark = job.benchmark
    if benchmark.forward != FASTEST:
        return
    store = Store(job.uri, begun=True)
    known = store.read_copies()
    trials = {
        shard.subject: Trial(replace(shard.slices(benchmark.batch_size)[0], tasks=()))
        for shard in shards
        if str(shard.subject) not in known
    }
    if trials:
        log.info("measuring ways of copies through %d models", len(trials))
        for found in dispatcher.reports(WaysWorker, job, list(trials.values())):
            known[str(found.subject)] = found.about
            store.write_copies(known)
    chosen = {subject: about["forward"] for subject, about in known.items()}
    told = {"perturbed_copies": {**asdict(benchmark.copies), "chosen": chosen}}
    store.write_provenance(store.read_provenance() | told)


def copies_for(benchmark: Benchmark, subject: Subject, store: Store) -> CopyPasses:
    """Return how copies go through a model: where the fastest is asked for, as was measured.

    Raises:
        ValueError: it was not.
    """
    copies = benchmark.copies
    if copies.forward != FASTEST:
        return copies
    known = store.read_copies()
    if str(subject) not in known:
        raise ValueError(
            f"{COPIES} does not say which way copies go through {subject}; run again "
            "with --retry-errors"
        )
    return replace(copies, forward=known[str(subject)]["forward"])
