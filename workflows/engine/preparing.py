"""How a data set's pictures become images, beside how the models' training images did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast, get_args

from swag.models import Preparation, preparation

from ..config.benchmark import Benchmark
from ..data import Dataset, Frame, Resize
from ..data.framing import Interpolation
from ..errors import UserError, as_user_error


def with_models_sizes(benchmark: Benchmark) -> Benchmark:
    """Return a benchmark whose data sets of `resize: model` have what their models want.

    Raises:
        UserError: the models of a data set want different things, or one does not say what.
    """
    datasets: dict[str, Any] = dict(benchmark.datasets)
    for name, config in datasets.items():
        if getattr(config, "resize", None) != "model":
            continue
        wanted = {model: _wanted(benchmark, name, model) for model in _models(benchmark, name)}
        path = f"datasets.{name}.resize"
        if silent := [model for model, found in wanted.items() if found is None]:
            raise UserError(
                f"{path}: nobody says how images of {silent[0]} are prepared; give {{shorter, "
                "crop, interpolation}}, squash or none in place of model"
            )
        if len(set(wanted.values())) > 1:
            each = "; ".join(f"{model}: {found}" for model, found in wanted.items())
            raise UserError(
                f"{path}: the models want different images ({each}); give each its own entry of "
                f"this data set, such as {name}_1: {{type: ..., resize: model}}, and name data "
                "sets and models in `experiments`"
            )
        own = cast(Preparation, next(iter(wanted.values())))
        datasets[name] = replace(config, size=own.size[0], resize=_resize(own))
    return replace(benchmark, datasets=datasets)


def notes_on(benchmark: Benchmark, datasets: dict[str, Dataset]) -> Sequence[str]:
    """Return where images are not as a model's training images were."""
    notes = []
    for name, dataset in datasets.items():
        frame = getattr(dataset, "frame", None)
        if not isinstance(frame, Frame):
            continue
        for model in _models(benchmark, name):
            spec = benchmark.model_spec(name, model)
            try:
                own = None if spec.weights.startswith("random:") else preparation(spec)
            except ValueError as error:
                notes.append(str(error))
                continue
            if own is not None and str(frame) != str(frame_of(own)):
                notes.append(
                    f"{model} was trained on other images than {name} gives it ({own}); "
                    "`resize: model` takes those"
                )
    return notes


def frame_of(own: Preparation | None) -> Frame:
    """Return the frame of a model's images; where nobody says, that of most of torchvision's."""
    return Frame.by(224, Resize() if own is None else _resize(own))


def _models(benchmark: Benchmark, dataset: str) -> list[str]:
    """Return the models that see a data set."""
    trained = [roar for name, roar in benchmark.roar.items() if dataset in {name, roar.train}]
    judged = [name for name, tuning in benchmark.tuning.items() if dataset == tuning.train]
    return [
        model
        for model in benchmark.models
        if any(
            experiment.covers(name, model)
            for experiment in benchmark.experiments.values()
            for name in (dataset, *judged)
        )
        or any(model in (roar.models or (model,)) for roar in trained)
    ]


def _wanted(benchmark: Benchmark, dataset: str, model: str) -> Preparation | None:
    with as_user_error(f"models.{model}"):
        return preparation(benchmark.model_spec(dataset, model))


def _resize(own: Preparation) -> Resize:
    if own.interpolation not in get_args(Interpolation):
        known = ", ".join(get_args(Interpolation))
        raise UserError(f"interpolation {own.interpolation!r} is none of {known}")
    return Resize(
        shorter=own.resized,
        crop=own.size[0] if own.size[0] == own.size[1] else own.size,
        interpolation=cast(Interpolation, own.interpolation),
        squash=own.squash,
    )
