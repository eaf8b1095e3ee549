"""From plain data to a `Benchmark`, checked before anything runs."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from swag.catalog import EXPLAINER_METRICS, EXPLAINERS, METRICS
from swag.models import ModelSpec
from swag.protocols import ExplainerMetric, Metric

from ..data import MAPS, DatasetConfig
from ..errors import UserError
from .asked import (
    check_references,
    checked_name,
    copies_of,
    experiments_of,
    rankings_of,
    roar_of,
    target_of,
    tuning_of,
    without_idle_tunings,
)
from .benchmark import Benchmark
from .compose import SECTIONS, TRAINS
from .fields import configured
from .plain import mapping_of, require_known
from .presets import dataset_class, preset_of
from .raw import composed

T = TypeVar("T")


def load_benchmark(name: str, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> Benchmark:
    """Return the benchmark of a configuration with `key=value` overrides applied.

    `only` names the experiments to keep, as the configuration's own `only` does: see `select`.

    Raises:
        UserError: see `resolve` and `composed`.
    """
    return resolve(composed(name, overrides, only))


def resolve(raw: Mapping[str, Any]) -> Benchmark:
    """Return the benchmark that plain data describes.

    Raises:
        UserError: an unknown key (with its path and the nearest name), an unknown method, model or
            data set, a value of the wrong type or out of range, or an empty section.
    """
    raw = copy.deepcopy(dict(raw))
    known = {item.name for item in dataclasses.fields(Benchmark)} - {
        "on",
        "explainers_on",
        "timings",
    }
    for key in raw:
        require_known(key, known, key)
    for section in SECTIONS:
        if not raw.get(section):
            raise UserError(f"{section}: a benchmark needs at least one")
    models = _models(mapping_of(raw["models"], "models"))
    explainers = _presets("explainer", raw["explainers"], {**EXPLAINERS, **MAPS})
    metrics = _presets("metric", raw["metrics"], {**METRICS, **EXPLAINER_METRICS})
    benchmark = Benchmark(
        name=checked_name(raw.get("name"), "name"),
        datasets=datasets_of(mapping_of(raw["datasets"], "datasets")),
        models=models,
        on=_on("models", raw, models),
        explainers=explainers,
        explainers_on=_on("explainers", raw, explainers),
        metrics={k: metric for k, metric in metrics.items() if isinstance(metric, Metric)},
        timings={k: metric for k, metric in metrics.items() if isinstance(metric, ExplainerMetric)},
        experiments=experiments_of(raw),
        roar=roar_of(raw),
        tuning=tuning_of(raw),
        rankings=rankings_of(raw),
        seed=_integer(raw.get("seed", 0), "seed", 0),
        target=target_of(raw),
        shard_size=_integer(raw.get("shard_size", 32), "shard_size", 1),
        batch_size=_integer(raw.get("batch_size", 32), "batch_size", 1),
        **dataclasses.asdict(copies_of(raw)),
    )
    check_references(benchmark)
    return without_idle_tunings(benchmark)


def datasets_of(entries: Mapping[str, dict[str, Any]]) -> dict[str, DatasetConfig]:
    """Return the data sets that a section of a configuration names."""
    result: dict[str, DatasetConfig] = {}
    for name, fields in entries.items():
        kind = fields.get("type", name)
        factory: Any = dataset_class(kind, f"datasets.{name}")
        required = {
            item.name
            for item in dataclasses.fields(factory)
            if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        }
        if missing := sorted(required - fields.keys()):
            raise UserError(
                f"datasets.{name}: {', '.join(missing)} is not set; add --set "
                f"datasets.{name}.{missing[0]}=..."
            )
        path = f"datasets.{checked_name(name, 'datasets')}"
        preset: DatasetConfig = factory(**dict.fromkeys(required, ""))
        own = {key: value for key, value in fields.items() if key not in {"type", TRAINS}}
        result[name] = configured(preset, own, path)
    return result


def _models(entries: Mapping[str, dict[str, Any]]) -> dict[str, ModelSpec]:
    return {
        name: configured(
            ModelSpec(architecture=name),
            {key: value for key, value in fields.items() if key != "on"},
            f"models.{checked_name(name, 'models')}",
        )
        for name, fields in entries.items()
    }


def _on(section: str, raw: Mapping[str, Any], made: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Return what the `on` of each entry of a section makes of it, by data set or model."""
    others = {"models": "datasets", "explainers": "models"}[section]
    result: dict[str, dict[str, T]] = {}
    for name, fields in mapping_of(raw[section], section).items():
        path = f"{section}.{name}.on"
        for other, own in mapping_of(fields.get("on") or {}, path).items():
            require_known(other, mapping_of(raw[others], others), f"{path}.{other}")
            special = configured(made[name], own, f"{path}.{other}")
            result.setdefault(name, {})[other] = special
    return result


def _presets(kind: str, section: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    result = {}
    for name, fields in mapping_of(section, f"{kind}s").items():
        path = f"{kind}s.{checked_name(name, f'{kind}s')}"
        preset = preset_of(kind, fields.get("type", name), table, path)
        own = {key: value for key, value in fields.items() if key not in {"type", "on"}}
        result[name] = configured(preset, own, path)
    return result


def _integer(value: Any, path: str, minimum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise UserError(f"{path}: wanted a whole number of at least {minimum}, got {value!r}")
    return value
