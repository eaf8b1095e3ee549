"""What makes a result what it is: canonical descriptions and their hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from swag.types import NEW_FIELD, SAME_RESULT

from ..errors import UserError

OWN_PACKAGES = ("swag", __name__.partition(".")[0])


def describe(value: Any) -> Any:
    """Return plain data that names a configured object: class, version and fields, nested.

    A class of another package is named with its module, so that two of one name stay apart. A field
    that a class has got since (`NEW_FIELD` in its metadata) is left out where it has its default:
    what was computed before is then still the same. One that changes no result (`SAME_RESULT`) is
    always left out.

    Raises:
        UserError: a class of another package has a field that is called as its module is.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: describe(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not field.metadata.get(SAME_RESULT)
            and not (field.metadata.get(NEW_FIELD) and getattr(value, field.name) == field.default)
        }
        version = {"version": value.version} if hasattr(value, "version") else {}
        return {**_class_of(type(value), fields), **version, **fields}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a configuration holds a {type(value).__name__}, which has no canonical form")


def _class_of(kind: type, fields: dict[str, Any]) -> dict[str, str]:
    if kind.__module__.partition(".")[0] in OWN_PACKAGES:
        return {"class": kind.__name__}
    module = _module_of(kind)
    if "module" in fields:
        raise UserError(
            f"{kind.__qualname__} of {module} has a field called 'module', by which a run folder "
            "names where a class comes from; rename it"
        )
    return {"class": kind.__qualname__, "module": module}


def _module_of(kind: type) -> str:
    """Return the name that a class's module is imported by, also where it is run as a script."""
    if kind.__module__ != "__main__":
        return kind.__module__
    main = sys.modules["__main__"]
    if spec := getattr(main, "__spec__", None):
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces."""
    return json.dumps(describe(value), sort_keys=True, separators=(",", ":"))


def key_of(value: Any) -> str:
    """Return the sha256 of the canonical JSON of `value`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
