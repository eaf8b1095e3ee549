"""Remove and retrain: which jobs there are, and one job from stored masks to an accuracy.

    roar/dataset=D/model=M/explainer=E/FRACTION-REPEAT-KEY.parquet

A job trains the model on images whose most salient pixels are the data set's mean colour and
measures its accuracy on validation images that lost theirs. The explainer of fraction 0, which is
trained once for all, is called "none".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from swag.classifier import Classifier
from swag.curves.ranks import descending_order
from swag.models import load_classifier
from swag.rng import generator

from ..config.benchmark import Benchmark
from ..config.identity import describe, key_of
from ..hardware import device_name
from ..store.described import Described
from ..store.experiments import ROAR_EXTENT, Roar
from ..store.failures import FailureFiles
from ..store.parquet import encoded
from ..store.parts import KEY_DIGITS, Subject
from ..store.run_folder import Store
from ..store.tracebacks import Failure
from ..train.fitting import Fit, fit
from ..train.images import Images, drawn, flipped, shuffled
from .work import attempt

NO_EXPLAINER = "none"
VERSION = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoarJob:
    """One model to train."""

    dataset: str
    model: str
    explainer: str
    fraction: float
    repeat: int
    key: str

    @property
    def folder(self) -> str:
        return f"roar/dataset={self.dataset}/model={self.model}/explainer={self.explainer}"

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.fraction:.2f}-{self.repeat}-{self.key[:KEY_DIGITS]}"

    @property
    def part(self) -> str:
        return f"{self.name}.parquet"

    @property
    def checkpoint(self) -> str:
        return f"{self.name}.checkpoint"


@dataclass(frozen=True)
class RoarReport:
    """How a job ended; its accuracy is in the store."""

    job: RoarJob
    seconds: float
    num_errors: int


def jobs_of(described: Described) -> list[RoarJob]:
    """Return every job of a benchmark: first those of the first repeat, fraction by fraction."""
    jobs = []
    for validation, roar in described.roar.items():
        recipe = {key: value for key, value in describe(roar).items() if key not in ROAR_EXTENT}
        for model in roar.models or tuple(described.models):
            about = {
                "recipe": recipe,
                "train": described.subject(Subject(roar.train, model)),
                "validation": described.subject(Subject(validation, model)),
                "seed": described.seed,
                "version": VERSION,
            }
            for repeat in range(roar.repeats):
                for fraction in roar.fractions:
                    names = roar.explainers if fraction else (NO_EXPLAINER,)
                    for explainer in names:
                        masks = None
                        if explainer != NO_EXPLAINER:
                            masks = described.explainer(explainer, model)
                        own = {"explainer": masks, "fraction": fraction, "repeat": repeat}
                        key = key_of({**about, **own})
                        jobs.append(RoarJob(validation, model, explainer, fraction, repeat, key))
    return sorted(jobs, key=lambda job: (job.repeat, job.fraction))


def recipe_of(roar: Roar, seed: int) -> Fit:
    """Return how a job trains."""
    return Fit(
        epochs=roar.epochs,
        learning_rate=roar.learning_rate,
        batch_size=roar.batch_size,
        optimizer=roar.optimizer,
        schedule=roar.schedule,
        seed=seed,
    )


def missing_jobs(jobs: Iterable[RoarJob], store: Store) -> tuple[list[RoarJob], list[str]]:
    """Return the jobs that the store has no result of, and results that others have replaced."""
    held = set(store.folder.list("roar"))
    wanted = {job.name.rpartition("-")[0]: job for job in jobs}
    outdated = [
        path
        for path in held
        if (job := wanted.get(path.rpartition("-")[0])) and job.key[:KEY_DIGITS] not in path
    ]
    return [job for job in wanted.values() if job.part not in held], sorted(outdated)


class RoarWorker:
    """Trains jobs of one benchmark; keeps decoded images and removal masks between them."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        self._benchmark = benchmark
        self._store = Store(uri)
        self._device = torch.device(device)
        self._failures = FailureFiles(self._store.folder, device_name(self._device))
        self._images: dict[str, Images] = {}

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
        self._store.folder.write(job.part, encoded(table, job.key))

    def _masked(self, dataset: str, job: RoarJob) -> _Masked:
        if dataset not in self._images:
            self._images[dataset] = Images.of(self._benchmark.datasets[dataset].open())
        images = self._images[dataset]
        if not job.fraction:
            return _Masked(images, None)
        bits = removal_bits(self._store, (dataset, job.model, job.explainer), job.fraction)
        return _Masked(images, bits)


def removal_bits(
    store: Store, cell: tuple[str, str, str], fraction: float
) -> dict[str, np.ndarray]:
    """Return for each image its removed pixels, one bit each in row-major order.

    The `fraction` of the pixels that a stored saliency ranks first, by the tie rule of the
    deletion curve.
    """
    bits: dict[str, np.ndarray] = {}
    for maps in store.explanation_parts(*cell):
        for image_id, saliency_HW in maps.items():
            order_P = descending_order(torch.from_numpy(saliency_HW.reshape(1, -1).copy()))[0]
            removed_P = np.zeros(order_P.numel(), bool)
            removed_P[order_P[: int(fraction * order_P.numel())].numpy()] = True
            bits[image_id] = np.packbits(removed_P)
    return bits


class _Masked:
    """Images that lose their removed pixels as they are read."""

    def __init__(self, images: Images, bits: Mapping[str, np.ndarray] | None) -> None:
        self._images = images
        self._bits = bits
        ids = images.image_ids
        self._usable = [index for index in range(len(ids)) if bits is None or ids[index] in bits]
        if not self._usable:
            raise ValueError("no image has a stored explanation")

    def _read(self, positions: list[int], classifier: Classifier) -> tuple[Tensor, Tensor]:
        """Return normalised images, 0 where pixels are removed, and labels."""
        image_BCHW, label_B = self._images.take(np.array(positions))
        x_BCHW = classifier.normalise(image_BCHW.to(classifier.device).float() / 255)
        if self._bits is not None:
            packed = np.stack([self._bits[self._images.image_ids[p]] for p in positions])
            size = x_BCHW.shape[2:]
            removed = np.unpackbits(packed, axis=1, count=size[0] * size[1]).astype(bool)
            removed_B1HW = torch.from_numpy(removed).view(-1, 1, *size).to(classifier.device)
            x_BCHW = x_BCHW.masked_fill_(removed_B1HW, 0.0)
        return x_BCHW, label_B.to(classifier.device)

    def batches(
        self, recipe: Fit, epoch: int, classifier: Classifier, *, flip: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch's batches, all full: shuffled, and flipped with chance 1/2 if asked for.

        Order and flips depend on the recipe's seed and the epoch only, so that an interrupted job
        goes on as if it had not been.
        """
        rng = generator(recipe.seed, str(epoch), "roar_epoch")
        for position_B in shuffled(np.array(self._usable), recipe.batch_size, rng):
            x_BCHW, label_B = self._read(position_B.tolist(), classifier)
            if flip:
                x_BCHW = flipped(x_BCHW, drawn(len(position_B), rng))
            yield x_BCHW, label_B

    def accuracy(self, classifier: Classifier) -> float:
        """Return the share of images whose most probable class is their label."""
        correct = 0
        for first in range(0, len(self._usable), classifier.batch_size):
            x_BCHW, label_B = self._read(
                self._usable[first : first + classifier.batch_size], classifier
            )
            correct += int((classifier.probabilities(x_BCHW).argmax(1) == label_B).sum())
        return correct / len(self._usable)
