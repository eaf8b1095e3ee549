"""A benchmark of objects: every method by every metric, on every data set and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from swag.forwards import CopyPasses
from swag.models import ModelSpec, Preparation, load_classifier, preparation
from swag.protocols import ExplainerMetric, Metric
from swag.targets import Target

from ..config.asked import check_references, checked_name
from ..config.benchmark import Benchmark
from ..engine.preparing import frame_of
from ..errors import as_user_error
from ..store.experiments import Experiment
from .given import default_explainers
from .pictures import GivenImages, datasets_of


@dataclass(frozen=True)
class Pictures:
    """What is to be explained, as `evaluate` takes it."""

    data: object
    labels: Sequence[int] | None = None
    images: int | None = None


def composed(
    models: Mapping[str, ModelSpec],
    pictures: Pictures,
    explainers: Mapping[str, Any] | None,
    metrics: Mapping[str, Any],
    **settings: Any,
) -> Benchmark:
    """Return the benchmark of some models, data, explainers and metrics.

    Args:
        settings: name, seed, target, shard_size, batch_size, forward and precision.

    Raises:
        UserError: a name or a setting cannot be used; see also `datasets_of`.
    """
    checked_name(settings["name"], "name")
    with as_user_error():
        CopyPasses(forward=settings["forward"], precision=settings["precision"])
    with as_user_error("target"):
        settings["target"] = str(Target.parse(settings["target"]))
    datasets = datasets_of(
        pictures.data,
        labels=pictures.labels,
        images=pictures.images,
        frame=frame_of(_preparation(next(iter(models.values())))),
    )
    datasets = {name: _with_classes(item, models) for name, item in datasets.items()}
    explainers = default_explainers(models, _first(datasets)) if explainers is None else explainers
    for section, named in (("models", models), ("data", datasets), ("explainers", explainers)):
        for name in named:
            checked_name(name, section)
    benchmark = Benchmark(
        datasets=datasets,
        models=models,
        explainers=explainers,
        metrics={key: item for key, item in metrics.items() if isinstance(item, Metric)},
        timings={key: item for key, item in metrics.items() if isinstance(item, ExplainerMetric)},
        experiments={
            checked_name(metric, "metrics"): Experiment(
                metric=metric, explainers=tuple(explainers), datasets=tuple(datasets)
            )
            for metric in metrics
        },
        **settings,
    )
    check_references(benchmark)
    return benchmark


def _preparation(spec: ModelSpec) -> Preparation | None:
    try:
        return preparation(spec)
    except ValueError:
        return None  # a picture is framed as most are; a run says where that differs


def _with_classes(dataset: Any, models: Mapping[str, ModelSpec]) -> Any:
    """Return given images with as many classes as the models tell apart, where none are named."""
    if not isinstance(dataset, GivenImages) or dataset.classes:
        return dataset
    sample = dataset.open().load(dataset.open().image_ids[0])
    if sample.label is None:
        return dataset
    with as_user_error("models"):
        spec = next(iter(models.values()))
        classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=1)
        count = classifier.all_logits(classifier.prepared(sample.image_CHW[None])).shape[1]
    return replace(dataset, classes=tuple(str(index) for index in range(count)))


def _first(datasets: Mapping[str, Any]) -> Tensor:
    """Return the first image, image_1CHW."""
    opened = next(iter(datasets.values())).open()
    image_1CHW: Tensor = opened.load(opened.image_ids[0]).image_CHW[None]
    return image_1CHW
