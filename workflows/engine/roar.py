"""Remove and retrain: one job from stored masks to an accuracy.

A job trains the model on images whose most salient pixels are the data set's mean colour and
measures its accuracy on validation images that lost theirs.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import torch

from swag.models import load_classifier

from ..config.benchmark import Benchmark
from ..hardware import device_name
from ..store.experiments import Roar
from ..store.failures import FailureFiles
from ..store.run_folder import Store
from ..store.tracebacks import Failure
from ..train.fitting import fit
from ..train.images import Images
from .masked_images import MaskedImages, RemovedPixels
from .roar_jobs import RoarJob, recipe_of
from .work import attempt

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoarReport:
    """How a job ended; its accuracy is in the store."""

    job: RoarJob
    seconds: float
    num_errors: int


class RoarWorker:
    """Trains jobs of one benchmark; keeps decoded images and their removed pixels between them."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._benchmark = benchmark
        self._store = Store(uri, begun=True)
        self._device = torch.device(device)
        self._failures = FailureFiles(self._store.folder, device_name(self._device))
        self._images: dict[str, Images] = {}
        self._removed = RemovedPixels(self._store)

    def prefetch(self, job: RoarJob) -> None:
        """Load nothing: most jobs find their images in memory."""

    def run(self, job: RoarJob) -> RoarReport:
        """Train from the job's last epoch on and store its accuracy."""
        report = attempt(lambda: self._train(job))
        return self.give_up(job, report) if isinstance(report, Failure) else report

    def _train(self, job: RoarJob) -> RoarReport:
        start = time.perf_counter()
        log.debug("job %s begins", job.name)
        roar = self._benchmark.roar[job.dataset]
        spec = self._benchmark.model_spec(job.dataset, job.model)
        if roar.start == "scratch":
            spec = replace(spec, weights=f"random:{job.repeat}")
        classifier = load_classifier(spec, device=self._device, batch_size=roar.batch_size)
        train = self._masked(roar.train, job)
        validation = self._masked(job.dataset, job)
        seed = self._benchmark.seed * 1000 + job.repeat
        checkpoint = self._store.folder.file(job.checkpoint)
        recipe = recipe_of(roar, seed)
        batches = partial(train.batches, recipe, classifier=classifier, flip=roar.flip)
        fit(classifier.model, batches, recipe, checkpoint)
        accuracy = validation.accuracy(classifier)
        seconds = time.perf_counter() - start
        self._write(job, accuracy, roar, seconds, None)
        checkpoint.remove()
        log.debug("job %s: accuracy %.4f in %.1f s", job.name, accuracy, seconds)
        return RoarReport(job, seconds, 0)

    def give_up(self, job: RoarJob, failure: Failure) -> RoarReport:
        """Store the failure as the job's row."""
        about = {"data set": job.dataset, "model": job.model, "explainer": job.explainer}
        job_text = f"retraining {job.repeat} without {job.fraction:.0%}"
        error = self._failures.keep(failure, {**about, "job": job_text})
        self._write(job, None, self._benchmark.roar[job.dataset], 0.0, error)
        return RoarReport(job, 0.0, 1)

    def _write(
        self, job: RoarJob, accuracy: float | None, roar: Roar, seconds: float, error: str | None
    ) -> None:
        table = pa.table(
            {
                "removed_fraction": pa.array([job.fraction], pa.float64()),
                "repeat": pa.array([job.repeat], pa.int32()),
                "accuracy": pa.array([accuracy], pa.float64()),
                "epochs": pa.array([roar.epochs], pa.int32()),
                "seconds": pa.array([seconds], pa.float32()),
                "error": pa.array([error], pa.string()),
            }
        )
        self._store.write_table(job.part, table, job.key)

    def _masked(self, dataset: str, job: RoarJob) -> MaskedImages:
        if dataset not in self._images:
            self._images[dataset] = Images.of(self._benchmark.datasets[dataset].open())
        images = self._images[dataset]
        if not job.fraction:
            return MaskedImages(images, None)
        cell = dataset, job.model, job.explainer
        others = [each for each in self._benchmark.roar[job.dataset].fractions if each]
        return MaskedImages(images, self._removed.of(cell, job.fraction, others))
