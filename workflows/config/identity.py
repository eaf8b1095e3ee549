"""What makes a result what it is: canonical descriptions and their hashes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any


def describe(value: Any) -> Any:
    """Return plain data that names a configured object: class, version and fields, nested."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        version = {"version": value.version} if hasattr(value, "version") else {}
        return {"class": type(value).__name__, **version, **fields}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a configuration holds a {type(value).__name__}, which has no canonical form")


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no spaces."""
    return json.dumps(describe(value), sort_keys=True, separators=(",", ":"))


def key_of(value: Any) -> str:
    """Return the sha256 of the canonical JSON of `value`, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
