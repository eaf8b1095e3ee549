"""Passwords, keys and tokens: known where they are given, and left out of whatever is told.

A run folder, its report, a log and a job are read by others than those who may know them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "***"
LEAST_CHARACTERS = 8
"""Of a variable's value that is left out of texts; a shorter one may be any word."""
_WORD = r"[\w.-]*(?:secret|passw|credential|signature|token|access_?key|api_?key)[\w.-]*"
_USER = re.compile(r"(://[^/:@'\"\n]*:)(?!\d{1,5}[/?#])[^\s@'\"]+(?=@)")
"""The password of scheme://user:password@host, but no port of a host whose paths have an @."""
_QUERY = re.compile(rf"([?&](?:{_WORD}|sig)=)[^&#\s'\"]+", re.IGNORECASE)
_FIELD = re.compile(
    r"(\w+_)?(password|passwd|secret|secret_key|secret_access_key|api_key|(access|auth)_token)",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"secret|passw|token|access_?key|api_?key", re.IGNORECASE)
_NO_SECRET = re.compile(r"(FILE|PATH|DIR|URI|MODE|PARALLELISM)$", re.IGNORECASE)


def holds_secret(text: str) -> bool:
    """Tell whether an address in a text has a password, key or token in it."""
    return bool(_USER.search(text) or _QUERY.search(text))


def without_secrets(text: str) -> str:
    """Return a text without what addresses in it, or variables of the environment, keep secret."""
    for value in _secret_values():
        text = text.replace(value, HIDDEN)
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub(rf"\1{HIDDEN}", text))


def secret_places(value: Any, path: str = "") -> Iterator[str]:
    """Yield where in plain data a secret stands: in an address, or in a field that is called so."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place = f"{path}.{key}" if path else str(key)
            if isinstance(inner, str) and inner and _FIELD.fullmatch(str(key)):
                yield place
            yield from secret_places(inner, place)
    elif isinstance(value, list):
        for inner in value:
            yield from secret_places(inner, path)
    elif isinstance(value, str) and holds_secret(value):
        yield path


def _secret_values() -> list[str]:
    """Return what variables that are called so hold, longest first: one may be part of another."""
    found = {
        value
        for name, value in os.environ.items()
        if len(value) >= LEAST_CHARACTERS and _VARIABLE.search(name) and not _NO_SECRET.search(name)
    }
    return sorted(found, key=len, reverse=True)
