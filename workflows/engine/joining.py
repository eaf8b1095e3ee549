"""A run folder and a benchmark: whether they belong together, and what both hold in the end."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from ..errors import UserError
from ..store.described import CAM_LAYER, FOR_READERS, Described
from ..store.experiments import ROAR_EXTENT, Experiment
from ..store.run_folder import BENCHMARK, Store

FIXED = ("name", "seed", "target", "batch_size", "precision")
EXTENT = {
    "roar": ROAR_EXTENT,
    "tuning": (),
    "explainers": ("version", "code", "library"),
    "metrics": ("version", "code"),
    "subjects": (CAM_LAYER,),
}
"""Sections in which the same name must be the same thing, but for these fields."""


def reconcile(store: Store, wanted: Described) -> Described:
    """Return the description of a run folder that is to hold `wanted` beside what it holds.

    More methods, metrics, models, data sets, experiments, repeats or images may join a run; what
    has the same name must be the same. Versions, and the code of functions that were handed over,
    may differ: those cells are computed again.

    Raises:
        UserError: the folder belongs to another benchmark.
    """
    if not store.folder.exists(BENCHMARK):
        if any(not name.startswith(".") for name in store.folder.list()):
            raise UserError(
                f"the run folder {store.uri!r} has files but no {BENCHMARK}; "
                "choose an empty or new folder with --run-dir"
            )
        return wanted
    held = store.read_benchmark()
    old, new = held.plain(), wanted.plain()
    if not held.num_images:
        new = _without_modules(new)
    for key in FIXED:
        _require_same(store, key, old[key], new[key])
    for section, free in EXTENT.items():
        for name in old[section].keys() & new[section].keys():
            pair = [_without(plain[section][name], free) for plain in (old, new)]
            _require_same(store, f"{section}.{name}", *pair)
    return _merged(held, wanted)


def _without(item: dict[str, Any], free: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in {*free, *FOR_READERS}}


def _without_modules(plain: Any) -> Any:
    """Return a description as version 0.1 wrote it, which named no module of a class of others.

    The rows of such a class have another key now and are computed again.
    """
    if isinstance(plain, dict):
        named = {k: v for k, v in plain.items() if k != "module" or "class" not in plain}
        return {key: _without_modules(value) for key, value in named.items()}
    return [_without_modules(item) for item in plain] if isinstance(plain, list) else plain


def _merged(held: Described, wanted: Described) -> Described:
    """Return a description of what either has; where both have something, as it is wanted."""
    merged: dict[str, Any] = {}
    for item in fields(Described):
        old, new = getattr(held, item.name), getattr(wanted, item.name)
        merged[item.name] = {**old, **new} if isinstance(new, dict) else new
    if held.experiments.keys() <= wanted.experiments.keys():  # a report has them in this order
        merged["experiments"] = dict(wanted.experiments)
    for name, experiment in held.experiments.items():
        merged["experiments"][name] = _joined(experiment, merged["experiments"][name])
    for name, count in held.num_images.items():
        merged["num_images"][name] = max(count, merged["num_images"][name])
    return Described(**merged)


def _joined(held: Experiment, wanted: Experiment) -> Experiment:
    """Return an experiment with what either has; of models, none named means all."""

    def both(section: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*getattr(held, section), *getattr(wanted, section)]))

    models = both("models") if held.models and wanted.models else ()
    return replace(wanted, explainers=both("explainers"), datasets=both("datasets"), models=models)


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
