"""Names and mappings in the plain data of YAML."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from swag.lookup import did_you_mean

from ..errors import UserError


def require_known(key: str, known: Iterable[str], path: str) -> None:
    """Raise UserError, naming the nearest known key, where `key` is not one of `known`."""
    known = sorted(known)
    if key in known:
        return
    hint = did_you_mean(str(key), known, most=1)
    listed = f"known here: {', '.join(known) or 'none'}"
    raise UserError(f"unknown key {path!r}; {f'{hint} ' if hint else ''}{listed}")


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
