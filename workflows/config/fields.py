"""Plain data from YAML to configured objects, with errors that name the place and the cure."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from swag.superpixels import SLIC, Quickshift

from ..errors import UserError

T = TypeVar("T")
NESTED_TYPES: dict[str, type] = {"slic": SLIC, "quickshift": Quickshift}


def configured(preset: T, fields: Mapping[str, Any], path: str) -> T:
    """Return `preset` with `fields` merged deeply over its own and strictly checked.

    A nested object keeps its preset's fields where none are given; its `type` may name another
    class of `NESTED_TYPES`, whose defaults then count.

    Raises:
        UserError: an unknown key, or a value of the wrong type or out of range; it names the path.
    """
    merged = json.dumps(_merge(preset, fields, path))
    adapter = cast("TypeAdapter[T]", TypeAdapter(type(preset)))
    try:
        return adapter.validate_json(merged, strict=True, extra="forbid")
    except ValidationError as error:
        raise UserError(f"{path}: {_first_problem(error)}") from error


def _merge(preset: Any, fields: Mapping[str, Any], path: str) -> dict[str, Any]:
    merged: dict[str, Any] = {
        field.name: getattr(preset, field.name) for field in dataclasses.fields(preset)
    }
    for key, value in fields.items():
        require_known(key, merged, f"{path}.{key}")
        current = merged[key]
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            merged[key] = _nested(current, dict(value), f"{path}.{key}")
        else:
            merged[key] = value
    return {
        key: dataclasses.asdict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type)
        else value
        for key, value in merged.items()
    }


def _nested(current: Any, value: dict[str, Any], path: str) -> dict[str, Any]:
    name = value.pop("type", None)
    if name is not None:
        require_known(name, NESTED_TYPES, f"{path}.type")
        if not isinstance(current, NESTED_TYPES[name]):
            current = NESTED_TYPES[name]()
    return _merge(current, value, path)


def require_known(key: str, known: Iterable[str], path: str) -> None:
    """Raise UserError, naming the nearest known key, where `key` is not one of `known`."""
    known = list(known)
    if key in known:
        return
    close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UserError(f"unknown key {path!r}; {hint}known here: {', '.join(sorted(known)) or 'none'}")


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    got = problem.get("input")
    shown = "" if isinstance(got, dict) else f", got {got!r}"
    return f"{place + ': ' if place else ''}{message}{shown}"


def mapping_of(value: Any, path: str) -> dict[str, dict[str, Any]]:
    """Return a list of names, or a mapping of names to fields, as a mapping to fields."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {str(name): {} for name in value}
    if not isinstance(value, dict):
        raise UserError(f"{path}: wanted a list of names or a mapping of them, got {value!r}")
    entries = {str(name): {} if fields is None else fields for name, fields in value.items()}
    for name, fields in entries.items():
        if not isinstance(fields, dict):
            raise UserError(f"{path}.{name}: wanted a mapping of fields, got {fields!r}")
    return entries
