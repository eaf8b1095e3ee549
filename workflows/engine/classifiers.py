"""The models of a benchmark, those that are explained and those that score; the last are kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from swag.classifier import Classifier
from swag.models import load_classifier

from ..config.benchmark import Benchmark
from ..store.parts import Subject
from ..store.run_folder import Store
from .tuned_models import load_tuned
from .ways import copies_for

KEPT_MODELS = 2
KEPT_JUDGES = 4
"""A model has a judge for each kind of perturbation."""
K = TypeVar("K")

log = logging.getLogger(__name__)


class Classifiers:
    """Loads the models of a benchmark when they are first asked for.

    Args:
        benchmark: which models there are.
        store: the run folder, where fine-tuned weights are, and which way copies go.
        device: where the models run.
    """

    def __init__(self, benchmark: Benchmark, store: Store, device: torch.device) -> None:
        self._benchmark = benchmark
        self._store = store
        self._device = device
        self._explained: dict[Subject, Classifier] = {}
        self._judges: dict[str, Classifier] = {}

    def explained(self, subject: Subject) -> Classifier:
        """Return the model that is explained on a data set."""
        return _kept(self._explained, subject, KEPT_MODELS, lambda: self._load(subject))

    def judge(self, subject: Subject, tuned: str) -> Classifier:
        """Return the same model after it was fine-tuned.

        Raises:
            ValueError: see `load_tuned`.
        """

        def load() -> Classifier:
            classifier = self._load(subject)
            load_tuned(self._store.folder, tuned, classifier.model)
            return classifier

        return _kept(self._judges, tuned, KEPT_JUDGES, load)

    def _load(self, subject: Subject) -> Classifier:
        log.info("loading model %s for %s on %s", subject.model, subject.dataset, self._device)
        classifier = load_classifier(
            self._benchmark.model_spec(*subject),
            device=self._device,
            batch_size=self._benchmark.batch_size,
        )
        classifier.copies = copies_for(self._benchmark, subject, self._store)
        return classifier


def _kept(
    found: dict[K, Classifier], key: K, most: int, make: Callable[[], Classifier]
) -> Classifier:
    """Return the model of a key, made where it is not there; at most so many are kept."""
    if key not in found:
        while len(found) >= most:
            found.pop(next(iter(found)))
        found[key] = make()
    return found[key]
