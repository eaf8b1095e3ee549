"""Plain data from YAML to configured objects, with errors that name the place and the cure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from ..errors import as_user_error
from .plain import require_known
from .presets import PARTS, part_kind, preset_of

T = TypeVar("T")


def configured(preset: T, fields: Mapping[str, Any], path: str) -> T:
    """Return `preset` with `fields` merged deeply over its own and strictly checked.

    A nested object keeps its preset's fields where none are given. That of a segmenter or filling
    may name another by its `type`, whose own defaults then count, or be that name alone.

    Raises:
        UserError: an unknown key, or a value of the wrong type or out of range; it names the path.
    """
    return _configured(preset, fields, path, ())


def _configured(preset: T, fields: Mapping[str, Any], path: str, above: tuple[str, ...]) -> T:
    """Return what `configured` does, for an object at `above` within that at `path`."""
    instance: Any = preset
    kind: type = type(preset)
    names = [item.name for item in dataclasses.fields(instance) if item.init]
    merged = {name: getattr(instance, name) for name in names}
    for key in fields:
        require_known(key, merged, ".".join((path, *above, str(key))))
    # Fields that are not given are checked as well: 4 becomes the 4.0 that stored keys are made of.
    for key, current in merged.items():
        place = (*above, key)
        value = fields.get(key, {} if dataclasses.is_dataclass(current) else current)
        if isinstance(value, str) and part_kind(current):
            value = {"type": value}
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            value = _nested(current, dict(value), path, place)
        with as_user_error(path):
            merged[key] = _checked(_adapter(kind, key), current, value, place)
    with as_user_error(": ".join((path, *([".".join(above)] if above else [])))):
        return cast(T, dataclasses.replace(instance, **merged))


def _nested(current: Any, fields: dict[str, Any], path: str, place: tuple[str, ...]) -> Any:
    kind = part_kind(current)
    if kind and "type" in fields:
        where = ".".join((path, *place, "type"))
        other = preset_of(kind, fields.pop("type"), PARTS[kind], where)
        current = current if type(other) is type(current) else other
    return _configured(current, fields, path, place)


def _checked(
    adapter: TypeAdapter[Any] | None, current: Any, value: Any, place: tuple[str, ...]
) -> Any:
    """Return a field's value as its annotation says, or raise ValueError.

    Where there is no adapter, the annotation is a protocol or a class of others: the value must
    be what it was, or an object that has been configured.
    """
    is_configured = dataclasses.is_dataclass(value)
    if adapter is None:
        if value is current or is_configured:
            return value
        raise ValueError(f"{'.'.join(place)}: wanted a mapping of fields, got {value!r}")
    try:
        if is_configured:
            return adapter.validate_python(value, strict=True)
        return adapter.validate_json(json.dumps(value, default=str), strict=True, extra="forbid")
    except ValidationError as error:
        raise ValueError(_first_problem(error, place)) from error


@cache
def _adapter(kind: type, name: str) -> TypeAdapter[Any] | None:
    """Return what checks a field of a class; None where pydantic does not know its annotation."""
    try:
        return TypeAdapter(get_type_hints(kind, include_extras=True)[name])
    except PydanticSchemaGenerationError:
        return None


def _first_problem(error: ValidationError, above: tuple[str, ...]) -> str:
    problems = error.errors()
    # Of a field that takes words or an object, the words that there are say most.
    words = [each for each in problems if each["type"] == "literal_error"]
    problem = (words or problems)[0]
    parts = [str(part) for part in problem["loc"]]
    place = ".".join((*above, *(part for part in parts if not part.startswith("literal["))))
    message = problem["msg"].removeprefix("Value error, ")
    got = problem.get("input")
    shown = "" if isinstance(got, dict) else f", got {got!r}"
    return f"{place}: {message}{shown}"
