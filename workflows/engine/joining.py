"""A run folder and a benchmark: whether they belong together, and what both hold in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.benchmark import ROAR_EXTENT
from ..errors import UserError
from ..store.run_folder import Store

FIXED = ("name", "seed", "shard_size", "batch_size")
SECTIONS = ("explainers", "metrics", "subjects", "datasets", "models", "experiments", "roar")
EXTENT = {
    "roar": ROAR_EXTENT,
    "explainers": ("version",),
    "metrics": ("version",),
    "subjects": (),
}
"""Sections in which the same name must be the same thing, but for these fields."""


def reconcile(store: Store, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a run folder that is to hold `wanted` beside what it holds.

    More methods, metrics, models, data sets, experiments, repeats or images may join a run; what
    has the same name must be the same. Versions may differ: those cells are computed again.

    Raises:
        UserError: the folder belongs to another benchmark.
    """
    if not store.folder.exists("benchmark.yaml"):
        if any(not name.startswith(".") for name in store.folder.list()):
            raise UserError(
                f"the run folder {store.uri!r} has files but no benchmark.yaml; "
                "choose an empty or new folder with --run-dir"
            )
        return dict(wanted)
    held = store.read_benchmark()
    for key in FIXED:
        _require_same(store, key, held.get(key), wanted[key])
    for section, free in EXTENT.items():
        old, new = held.get(section) or {}, wanted[section]
        for name in old.keys() & new.keys():
            pair = [{k: v for k, v in item[name].items() if k not in free} for item in (old, new)]
            _require_same(store, f"{section}.{name}", *pair)
    merged = {section: {**(held.get(section) or {}), **wanted[section]} for section in SECTIONS}
    for name, experiment in (held.get("experiments") or {}).items():
        merged["experiments"][name] = _joined(experiment, merged["experiments"][name])
    return {**wanted, **merged}


def _joined(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment with what either has; of models, none named means all."""
    lists = {
        key: list(dict.fromkeys([*held[key], *wanted[key]])) for key in ("explainers", "datasets")
    }
    all_models = not (held["models"] and wanted["models"])
    models = [] if all_models else list(dict.fromkeys([*held["models"], *wanted["models"]]))
    return {**wanted, **lists, "models": models}


def _require_same(store: Store, path: str, held: Any, wanted: Any) -> None:
    if held == wanted:
        return
    if isinstance(held, dict) and isinstance(wanted, dict):
        for key in sorted(held.keys() | wanted.keys()):
            _require_same(store, f"{path}.{key}", held.get(key), wanted.get(key))
    raise UserError(
        f"the run folder {store.uri!r} belongs to another benchmark: its {path} is {held!r}, and "
        f"{wanted!r} is asked for; choose another --run-dir, or the settings it was begun with"
    )
