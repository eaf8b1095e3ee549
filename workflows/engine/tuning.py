"""A model is fine-tuned on perturbed images, so that it can score with such images."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from functools import partial

import torch

from swag.models import load_classifier

from ..config.benchmark import Benchmark
from ..hardware import device_name
from ..store.failures import FailureFiles
from ..store.run_folder import Store
from ..store.tracebacks import Failure
from ..train.fitting import fit
from ..train.images import Images
from .perturbed_images import perturbed_images
from .tuned_models import save_reason, save_tuned
from .tuning_jobs import TuningJob
from .work import attempt

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuningReport:
    """How a job ended; its model is in the store."""

    job: TuningJob
    seconds: float
    num_errors: int


class TuningWorker:
    """Fine-tunes models of one benchmark; keeps decoded images between them."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._benchmark = benchmark
        self._store = Store(uri, begun=True)
        self._device = torch.device(device)
        self._failures = FailureFiles(self._store.folder, device_name(self._device))
        self._images: dict[str, Images] = {}

    def prefetch(self, job: TuningJob) -> None:
        """Load nothing: most jobs find their images in memory."""

    def run(self, job: TuningJob) -> TuningReport:
        """Train from the job's last epoch on and store the model."""
        report = attempt(lambda: self._train(job))
        return self.give_up(job, report) if isinstance(report, Failure) else report

    def give_up(self, job: TuningJob, failure: Failure) -> TuningReport:
        """Store the failure, which becomes that of the rows that the model was to score."""
        dataset, model = job.subject
        about = {"data set": dataset, "model": model, "job": f"fine-tuning for {job.metric}"}
        save_reason(self._store.folder, job.path, self._failures.keep(failure, about))
        return TuningReport(job, 0.0, 1)

    def _train(self, job: TuningJob) -> TuningReport:
        start = time.perf_counter()
        log.debug("job %s begins", job.name)
        tuning = self._benchmark.tuning[job.subject.dataset]
        spec = self._benchmark.model_spec(*job.subject)
        classifier = load_classifier(spec, device=self._device, batch_size=tuning.batch_size)
        if tuning.train not in self._images:
            self._images[tuning.train] = Images.of(self._benchmark.datasets[tuning.train].open())
        images, metric = self._images[tuning.train], self._benchmark.metrics[job.metric]
        perturbed = perturbed_images(images, metric, tuning, self._benchmark.seed)
        checkpoint = self._store.folder.file(job.checkpoint)
        batches = partial(perturbed.batches, classifier)
        fit(classifier.model, batches, perturbed.recipe, checkpoint)
        seconds = time.perf_counter() - start
        about = {
            "perturbation": repr(perturbed.perturbation),
            "tuning": asdict(tuning),
            "seconds": round(seconds, 2),
        }
        save_tuned(self._store.folder, job.path, classifier.model, about)
        checkpoint.remove()
        log.debug("job %s: tuned in %.1f s", job.name, seconds)
        return TuningReport(job, seconds, 0)
