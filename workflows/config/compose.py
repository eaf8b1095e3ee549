"""Configurations made from others: what one includes, a part of its experiments, grids of settings.

All of it works on the plain data of YAML, before anything is checked or built.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..confidential import secret_places
from ..errors import UserError
from .plain import mapping_of, require_known

SECTIONS = ("datasets", "models", "explainers", "metrics")
TRAINS = "trains"
"""In a data set's entry: its images are for retraining alone, and are not scored."""
MOST_MEMBERS = 10_000
"""Of a grid; each is an explainer."""
ROAR = "roar"
"""What remove and retrain is called: a section, and a name among the experiments of `only`."""

Raw = dict[str, Any]


def include(raw: Raw, path: Path, read: Callable[[str], Raw]) -> Raw:
    """Return a configuration with those that its `include` names under it.

    Mappings are merged at any depth, and everything else is replaced; later ones win, and `raw`
    wins over all. A name is a file beside `path`, or what `read` takes.

    Raises:
        UserError: `include` is neither a name nor a list of names.
    """
    names = raw.pop("include", [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"include: wanted the name of a configuration or a list, got {names!r}")
    merged: Raw = {}
    for name in names:
        beside = path.parent / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
        below = read(str(beside) if beside.exists() else name)
        merged = _merged(merged, _mappings(below))
    return _merged(merged, _mappings(raw))


def _mappings(raw: Raw) -> Raw:
    """Return a configuration whose sections are mappings, where they may be lists of names."""
    return {
        key: mapping_of(value, key) if key in SECTIONS and value is not None else value
        for key, value in raw.items()
    }


def _merged(under: Raw, over: Raw) -> Raw:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def check_plain(raw: Raw) -> None:
    """Check what the composing itself takes for granted, before anything is left out.

    Raises:
        UserError: something secret stands there, or a list of names is something else.
    """
    if secret := next(secret_places(raw), None):
        raise UserError(
            f"{secret}: it holds a password, key or token, which the run folder would repeat; give "
            "credentials by environment variables or a role instead"
        )
    for section in ("experiments", ROAR, "rankings", "tuning"):
        for name, fields in mapping_of(raw.get(section) or {}, section).items():
            for key in fields.keys() & set(SECTIONS):
                if not _is_names(fields[key]):
                    raise UserError(
                        f"{section}.{name}.{key}: wanted a list of names, got {fields[key]!r}"
                    )
            for key in fields.keys() & {"metric", "train"}:
                if not isinstance(fields[key], str | None):
                    raise UserError(f"{section}.{name}.{key}: wanted a name, got {fields[key]!r}")


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def chosen(written: Any) -> list[str]:
    """Return the experiments that a configuration's `only` names.

    Raises:
        UserError: it is neither a name nor a list of names.
    """
    names = [written] if isinstance(written, str) else written
    if not _is_names(names):
        raise UserError(f"only: wanted the name of an experiment or a list of them, got {names!r}")
    return list(names)


def select(raw: Raw, only: Sequence[str]) -> None:
    """Keep the experiments named, and of every section what they use; "roar" is the section.

    Raises:
        UserError: there is no such experiment.
    """
    experiments = mapping_of(raw.get("experiments") or {}, "experiments")
    roar = mapping_of(raw.get("roar") or {}, "roar")
    known = [*experiments, *([ROAR] if roar else [])]
    for name in only:
        require_known(name, known, f"only.{name}")
    training = trained_only(raw)
    scored = [name for name in raw.get("datasets") or {} if name not in training]
    roar = roar if ROAR in only else {}
    kept = {name: experiments[name] for name in only if name in experiments}
    everything = {
        "datasets": scored,
        **{section: raw.get(section) or {} for section in ("models", "explainers")},
    }
    tuned = mapping_of(raw.get("tuning") or {}, "tuning")
    users = [*kept.values(), *({"datasets": [k, v.get("train")], **v} for k, v in roar.items())]
    for section, default in everything.items():
        used = {name for user in users for name in user.get(section) or default}
        if section == "datasets":
            used |= {fields.get("train") for name, fields in tuned.items() if name in used}
        raw[section] = {k: v for k, v in (raw.get(section) or {}).items() if k in used}
    used = {experiment.get("metric", "deletion") for experiment in kept.values()}
    metrics = raw.get("metrics") or {}
    raw["metrics"] = {k: v for k, v in metrics.items() if k in used} or dict([*metrics.items()][:1])
    masks = {"metric": None, "explainers": [*raw["explainers"]], "datasets": [*raw["datasets"]]}
    raw["experiments"] = kept or {ROAR: masks}
    raw["roar"] = roar
    prune(raw)


def trained_only(raw: Mapping[str, Any]) -> set[str]:
    """Return the data sets whose images train and are not scored.

    They say so themselves, or `roar` or `tuning` does.
    """
    flagged = {
        name
        for name, fields in mapping_of(raw.get("datasets") or {}, "datasets").items()
        if fields.get(TRAINS)
    }
    recipes = [mapping_of(raw.get(section) or {}, section) for section in ("roar", "tuning")]
    return flagged | {str(fields.get("train")) for each in recipes for fields in each.values()}


def prune(raw: Raw) -> None:
    """Drop whatever speaks of data sets, models, explainers or metrics that are not there.

    A data set that only trains goes with the retraining that it is for.
    """
    there = {section: raw.get(section) or {} for section in SECTIONS}
    experiments = mapping_of(raw.get("experiments") or {}, "experiments")
    roar = mapping_of(raw.get("roar") or {}, "roar")
    raw["experiments"] = {
        name: present
        for name, fields in experiments.items()
        if fields.get("metric", "deletion") in {None, *there["metrics"]}
        and (present := _present(fields, there)) is not None
    }
    raw["roar"] = {
        name: present
        for name, fields in roar.items()
        if {name, fields.get("train")} <= there["datasets"].keys()
        and (present := _present(fields, there)) is not None
    }
    raw["rankings"] = _present_rankings(raw, there)
    raw["tuning"] = {
        name: fields
        for name, fields in mapping_of(raw.get("tuning") or {}, "tuning").items()
        if {name, fields.get("train")} <= there["datasets"].keys()
    }
    recipes = [*raw["roar"].values(), *raw["tuning"].values()]
    trained = {fields.get("train") for fields in recipes}
    raw["datasets"] = {
        name: fields
        for name, fields in there["datasets"].items()
        if not fields.get(TRAINS) or name in trained
    }
    for section, other in (("models", "datasets"), ("explainers", "models")):
        for fields in there[section].values():
            if isinstance(fields.get("on"), dict):
                fields["on"] = {k: v for k, v in fields["on"].items() if k in there[other]}


def _present_rankings(raw: Raw, there: Mapping[str, Raw]) -> Raw:
    """Return the rankings that still have two metrics to compare."""
    kept = {}
    for name, fields in mapping_of(raw.get("rankings") or {}, "rankings").items():
        present = _present(fields, there)
        metrics = [m for m in fields.get("metrics") or there["metrics"] if m in there["metrics"]]
        if present is not None and len(metrics) > 1:
            kept[name] = {**present, "metrics": metrics} if "metrics" in fields else present
    return kept


def _present(fields: Raw, there: Mapping[str, Raw]) -> Raw | None:
    """Return an experiment without names that are not there; None where no name is left."""
    result = dict(fields)
    for section in ("datasets", "models", "explainers"):
        if section in fields:
            result[section] = [name for name in fields[section] if name in there[section]]
            if fields[section] and not result[section]:
                return None
    return result


def expand_grids(raw: Raw) -> None:
    """Replace each explainer that has a `grid` by one for every combination of its values.

    `grid: {superpixels.num_segments: [100, 200]}` of `sweep` makes `sweep-100` and `sweep-200`, and
    an experiment that names `sweep` has both.

    Raises:
        UserError: a grid is no mapping of fields to lists of values.
    """
    made: dict[str, list[str]] = {}
    explainers: Raw = {}
    for name, fields in mapping_of(raw.get("explainers") or {}, "explainers").items():
        if "grid" not in fields:
            explainers[name] = fields
            continue
        grid = _grid(fields["grid"], f"explainers.{name}.grid")
        rest = {key: value for key, value in fields.items() if key != "grid"}
        rest.setdefault("type", name)
        if (members := math.prod(map(len, grid.values()))) > MOST_MEMBERS:
            raise UserError(
                f"explainers.{name}.grid: it stands for {members:,} explainers; give values for at "
                f"most {MOST_MEMBERS:,} combinations"
            )
        made[name] = []
        for values in itertools.product(*grid.values()):
            member = "-".join([name, *map(str, values)])
            made[name].append(member)
            explainers[member] = _with(rest, zip(grid, values, strict=True))
    raw["explainers"] = explainers
    for section in ("experiments", "roar"):
        for fields in mapping_of(raw.get(section) or {}, section).values():
            named = fields.get("explainers")
            if isinstance(named, list):
                fields["explainers"] = [each for name in named for each in made.get(name, [name])]


def _grid(grid: Any, path: str) -> Mapping[str, list[Any]]:
    lists = isinstance(grid, dict) and all(isinstance(v, list) and v for v in grid.values())
    if not grid or not lists:
        raise UserError(f"{path}: wanted fields with a list of values each, got {grid!r}")
    return {str(field): values for field, values in grid.items()}


def _with(fields: Raw, settings: Iterable[tuple[str, Any]]) -> Raw:
    """Return fields with some set, whose names have a dot for every level."""
    for path, value in settings:
        nested: Any = value
        for part in reversed(path.split(".")):
            nested = {part: nested}
        fields = _merged(fields, nested)
    return fields
