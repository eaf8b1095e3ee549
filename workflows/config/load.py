"""From a YAML file and `--set` options to a `Benchmark`, checked before anything runs."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

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
from .compose import (
    SECTIONS,
    TRAINS,
    check_plain,
    chosen,
    expand_grids,
    include,
    prune,
    select,
)
from .fields import configured, mapping_of, require_known
from .packaged import config_folder, config_names
from .presets import dataset_class, preset_of
from .yaml_text import parse_yaml, problem_of, read_yaml

T = TypeVar("T")


def read_config(name: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the YAML of a path, or of a name of the configurations in the package.

    What it includes is part of it; `above` are the configurations that include this one.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        path = config_folder() / f"{name}.yaml"
    try:
        loaded = read_yaml(path, name)
    except FileNotFoundError:
        known = ", ".join(config_names())
        raise UserError(
            f"configuration {name!r} was not found; give a YAML file or one of: {known}"
        ) from None
    if not isinstance(loaded, dict):
        raise UserError(f"configuration {name!r} holds {type(loaded).__name__}, not a mapping")
    if path.resolve() in above:
        raise UserError(f"configuration {name!r} includes itself")
    return include(loaded, path, partial(read_config, above=(*above, path.resolve())))


def load_benchmark(name: str, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> Benchmark:
    """Return the benchmark of a configuration with `key=value` overrides applied.

    `only` names the experiments to keep, as the configuration's own `only` does: see `select`.

    Raises:
        UserError: see `resolve`, `include`, `select` and `expand_grids`; or an override that is not
            `key=value`.
    """
    raw = read_config(name)
    raw.setdefault("name", Path(name).stem)
    for section in SECTIONS:
        if section in raw:
            raw[section] = mapping_of(raw[section], section)
    for override in overrides:
        apply_override(raw, override)
    check_plain(raw)
    written = chosen(raw.pop("only", []))
    if any(override.partition("=")[0] in SECTIONS for override in overrides):
        prune(raw)
    if names := [*only] or written:
        select(raw, names)
    expand_grids(raw)
    return resolve(raw)


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set the value of one `key=value` in a configuration."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UserError(f"--set {override!r}: wanted key=value, such as models=[tiny_vgg]")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(
            f"--set {override!r}: the value is not YAML: {problem_of(error)}"
        ) from error
    parts = key.split(".")
    if parts[0] in {"model", "dataset"} and len(parts) > 1:
        parts = [f"{parts[0]}s", _only_name(raw, f"{parts[0]}s", override), *parts[1:]]
    node = raw
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise UserError(f"--set {override!r}: {part!r} holds a value and has no fields")
    section = parts[0] in SECTIONS and len(parts) == 1
    node[parts[-1]] = mapping_of(value, parts[0]) if section else value


def _only_name(raw: Mapping[str, Any], section: str, override: str) -> str:
    names: list[str] = list(raw.get(section) or {})
    if len(names) != 1:
        raise UserError(
            f"--set {override!r} is for a benchmark of one of {section}, and this one has "
            f"{len(names)} ({', '.join(names)}); write {section}.NAME.FIELD=VALUE"
        )
    return names[0]


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
