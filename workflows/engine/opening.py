"""A benchmark whose data sets and models have been found and identified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from swag.classifier import require_size
from swag.layers import not_simply_last
from swag.models import ModelSpec, fixed_size, load_classifier, resolved, weights_sha256

from ..config.benchmark import Benchmark
from ..config.description import describe_benchmark
from ..config.identity import describe
from ..data import Dataset
from ..errors import UserError, as_user_error
from ..store.described import CAM_LAYER, Described, Fields
from ..store.parts import Subject
from .answering import require_classes
from .preparing import notes_on, with_models_sizes


@dataclass(frozen=True)
class Opened:
    """A benchmark whose data sets and models have been found and identified."""

    benchmark: Benchmark
    datasets: dict[str, Dataset]
    described: Described
    notes: tuple[str, ...] = ()
    """What whoever runs it should know."""

    @classmethod
    def of(
        cls, benchmark: Benchmark, datasets: dict[str, Dataset], subjects: dict[Subject, Fields]
    ) -> Opened:
        """Return it with its description.

        Args:
            subjects: what identifies each data set and model.
        """
        num_images = {name: len(dataset.image_ids) for name, dataset in datasets.items()}
        return cls(benchmark, datasets, describe_benchmark(benchmark, subjects, num_images))

    @property
    def image_ids(self) -> dict[str, Sequence[str]]:
        return {name: dataset.image_ids for name, dataset in self.datasets.items()}


def open_benchmark(benchmark: Benchmark) -> Opened:
    """Open every data set and load every model once.

    Raises:
        UserError: a data set is missing or empty, a model or its weights cannot be loaded, or a
            model takes images of another size only.
    """
    benchmark = with_models_sizes(_resolved(benchmark))
    datasets = {name: config.open() for name, config in benchmark.datasets.items()}
    subjects: dict[Subject, Fields] = {}
    known: dict[object, _Known] = {}
    for dataset, opened in datasets.items():
        for model in benchmark.models:
            spec = benchmark.model_spec(dataset, model)
            _require_size(model, spec, dataset, opened)
            key = spec, opened.input_size
            if key not in known:
                known[key] = _identify(model, spec, opened.input_size)
            subject = Subject(dataset, model)
            require_classes(benchmark, subject, opened.class_names, known[key].num_classes)
            layer = known[key].cam_layer
            subjects[subject] = {
                "dataset": opened.fingerprint,
                "model": known[key].fields,
                **({CAM_LAYER: layer} if layer else {}),
            }
    return replace(
        Opened.of(benchmark, datasets, subjects), notes=tuple(notes_on(benchmark, datasets))
    )


def _resolved(benchmark: Benchmark) -> Benchmark:
    """Return the benchmark with the numbers of every normalisation, which are part of its rows."""

    def numbers(name: str, spec: ModelSpec) -> ModelSpec:
        with as_user_error(f"models.{name}"):
            return resolved(spec)

    on = {
        name: {dataset: numbers(name, spec) for dataset, spec in specs.items()}
        for name, specs in benchmark.on.items()
    }
    models = {name: numbers(name, spec) for name, spec in benchmark.models.items()}
    return replace(benchmark, models=models, on=on)


def _require_size(name: str, spec: ModelSpec, dataset: str, opened: Dataset) -> None:
    with as_user_error(f"models.{name} on {dataset}"):
        require_size(fixed_size(spec), opened.input_size)


class _Known(NamedTuple):
    """What one pass of a model has shown."""

    fields: Fields
    """What its rows are known by."""
    num_classes: int
    cam_layer: str | None
    """Of rows that depend on it; None where it is what it always was."""


def _identify(name: str, spec: ModelSpec, size: tuple[int, int]) -> _Known:
    with as_user_error(f"models.{name}"):
        classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=1)
        x_1CHW = classifier.normalise(torch.zeros(1, classifier.num_channels, *size))
        try:
            logit_1K = classifier.all_logits(x_1CHW.clone())
            layer = None if spec.cam_layer else not_simply_last(classifier.model, x_1CHW)
        except RuntimeError as error:
            height, width = size
            raise UserError(
                f"models.{name} cannot take images of {height}x{width} pixels: {error}"
            ) from error
    described = {key: value for key, value in describe(spec).items() if key != "weights"}
    fields = {**described, "weights_sha256": weights_sha256(classifier.model)}
    return _Known(fields, logit_1K.shape[1], layer)
