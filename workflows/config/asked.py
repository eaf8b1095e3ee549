"""What a configuration asks for: its experiments, and what is removed and retrained."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from swag.forwards import CopyPasses
from swag.protocols import TunedMetric
from swag.targets import Target

from ..data.stored_maps import FORMS, StoredMaps
from ..errors import UserError, as_user_error
from ..store.described import PREDICTED
from ..store.experiments import Experiment, RankedMetrics, Recipe, Roar, Tuning
from .benchmark import Benchmark
from .compose import trained_only
from .fields import configured
from .plain import mapping_of, require_known
from .shown import check_files, check_parts

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def experiments_of(raw: Mapping[str, Any]) -> dict[str, Experiment]:
    """Return the experiments, each with the data sets and explainers that it scores.

    Without any, every explainer is scored by every metric.

    Raises:
        UserError: an unknown key or a value of the wrong type.
    """
    entries = mapping_of(raw.get("experiments") or {}, "experiments")
    if not entries:
        entries = {metric: {"metric": metric} for metric in mapping_of(raw["metrics"], "metrics")}
    result = {}
    for name, fields in entries.items():
        path = f"experiments.{checked_name(name, 'experiments')}"
        check_parts(fields, path)
        experiment = configured(Experiment(explainers=()), fields, path)
        explainers = experiment.explainers or tuple(raw["explainers"])
        result[name] = dataclasses.replace(experiment, explainers=explainers)
    named = {explainer for experiment in result.values() for explainer in experiment.explainers}
    first = next(iter(result))
    unnamed = tuple(name for name in raw["explainers"] if name not in named)
    joined = (*result[first].explainers, *unnamed)
    result[first] = dataclasses.replace(result[first], explainers=joined)
    training = trained_only(raw)
    scored = tuple(name for name in raw["datasets"] if name not in training)
    return {
        name: dataclasses.replace(experiment, datasets=experiment.datasets or scored)
        for name, experiment in result.items()
    }


def roar_of(raw: Mapping[str, Any]) -> dict[str, Roar]:
    """Return what is removed and retrained, by the data set that validates; raises as above."""
    result = {}
    for name, fields in mapping_of(raw.get("roar") or {}, "roar").items():
        check_parts(fields, f"roar.{name}")
        roar = configured(Roar(train="", explainers=()), fields, f"roar.{name}")
        if not roar.explainers:
            raise UserError(f"roar.{name}.explainers: name at least one explainer, got none")
        result[name] = roar
    return result


def tuning_of(raw: Mapping[str, Any]) -> dict[str, Tuning]:
    """Return how models are fine-tuned, by the data set that is judged; raises as above."""
    return {
        name: configured(Tuning(train=""), fields, f"tuning.{name}")
        for name, fields in mapping_of(raw.get("tuning") or {}, "tuning").items()
    }


def without_idle_tunings(benchmark: Benchmark) -> Benchmark:
    """Return a benchmark whose models are fine-tuned only where a metric asks for it.

    A data set that only trains goes with the tuning that it is for.
    """
    used = {
        dataset
        for experiment in benchmark.experiments.values()
        if isinstance(benchmark.metrics.get(experiment.metric or ""), TunedMetric)
        for dataset in experiment.datasets
    }
    kept = {name: tuning for name, tuning in benchmark.tuning.items() if name in used}
    idle = {tuning.train for name, tuning in benchmark.tuning.items() if name not in used}
    recipes: list[Recipe] = [*kept.values(), *benchmark.roar.values()]
    needed = {recipe.train for recipe in recipes}
    for experiment in benchmark.experiments.values():
        needed.update(experiment.datasets)
    datasets = {
        name: config for name, config in benchmark.datasets.items() if name not in idle - needed
    }
    return dataclasses.replace(benchmark, tuning=kept, datasets=datasets)


def rankings_of(raw: Mapping[str, Any]) -> dict[str, RankedMetrics]:
    """Return the metrics whose orders of the methods are compared; raises as above."""
    return {
        checked_name(name, "rankings"): configured(RankedMetrics(), fields, f"rankings.{name}")
        for name, fields in mapping_of(raw.get("rankings") or {}, "rankings").items()
    }


def target_of(raw: Mapping[str, Any]) -> str:
    """Return which class is explained. Raises UserError where that is no rule."""
    value = raw.get("target", PREDICTED)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"target: wanted predicted, label, top:K or a class, got {value!r}")
    with as_user_error():
        return str(Target.parse(value))


def copies_of(raw: Mapping[str, Any]) -> CopyPasses:
    """Return how perturbed copies go through the models. Raises UserError where that is no way."""
    own = {name: raw[name] for name in ("forward", "precision") if name in raw}
    with as_user_error():
        return CopyPasses(**{"forward": Benchmark.forward, **own})


def check_references(benchmark: Benchmark) -> None:
    """Raise UserError where an experiment names what is not there, or two would write one file."""
    check_files(benchmark.experiments, benchmark.roar)
    _check_maps(benchmark)
    for name, tuning in benchmark.tuning.items():
        require_known(name, benchmark.datasets, f"tuning.{name}")
        require_known(tuning.train, benchmark.datasets, f"tuning.{name}.train")
    for name, experiment in benchmark.experiments.items():
        path = f"experiments.{name}"
        if experiment.metric is not None:
            metrics = {**benchmark.metrics, **benchmark.timings}
            require_known(experiment.metric, metrics, f"{path}.metric")
        for section in ("explainers", "datasets", "models"):
            for item in getattr(experiment, section):
                require_known(item, getattr(benchmark, section), f"{path}.{section}.{item}")
        _check_tuned(benchmark, experiment, path)
    for name, ranking in benchmark.rankings.items():
        _check_ranking(benchmark, ranking, f"rankings.{name}")
    for name, roar in benchmark.roar.items():
        require_known(name, benchmark.datasets, f"roar.{name}")
        require_known(roar.train, benchmark.datasets, f"roar.{name}.train")
        for section in ("explainers", "models"):
            for item in getattr(roar, section):
                require_known(item, getattr(benchmark, section), f"roar.{name}.{section}.{item}")


def _check_maps(benchmark: Benchmark) -> None:
    """Raise UserError where ready maps are at no place."""
    for name, explainer in benchmark.explainers.items():
        if isinstance(explainer, StoredMaps) and not explainer.root:
            raise UserError(f"explainers.{name}: set root, where the maps are: {FORMS}")


def _check_tuned(benchmark: Benchmark, experiment: Experiment, path: str) -> None:
    """Raise UserError where a metric's model is to be fine-tuned and no images are there for it."""
    metric = benchmark.metrics.get(experiment.metric or "")
    for dataset in experiment.datasets:
        if isinstance(metric, TunedMetric) and dataset not in benchmark.tuning:
            raise UserError(
                f"{path}: {experiment.metric!r} scores with a model that was fine-tuned on "
                f"perturbed images, and tuning.{dataset} does not say on which; add "
                f"tuning: {{{dataset}: {{train: DATASET}}}} with a data set of the same classes "
                "that is not scored"
            )


def _check_ranking(benchmark: Benchmark, ranking: RankedMetrics, path: str) -> None:
    scored = {experiment.metric for experiment in benchmark.experiments.values()}
    for metric in ranking.metrics:
        require_known(metric, benchmark.metrics, f"{path}.metrics.{metric}")
        if metric not in scored:
            raise UserError(
                f"{path}.metrics: no experiment scores {metric!r}, so there is nothing to rank; "
                "add one, or leave the metric out"
            )
    for section in ("explainers", "datasets", "models"):
        for item in getattr(ranking, section):
            require_known(item, getattr(benchmark, section), f"{path}.{section}.{item}")


def checked_name(value: Any, path: str) -> str:
    """Return a name. Raises UserError where no folder can be called so."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise UserError(
            f"{path}: {value!r} cannot be a name; use at most 100 letters, digits, '.', '-' and "
            "'_', because names become folders of the store"
        )
    return value
