"""Things by name: a row of a table, an entry point, or an attribute of a module of one's own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar, cast

T = TypeVar("T")


def lookup(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return what `name` stands for: a row of `table`, an entry point or a `module:attribute`.

    Raises:
        ValueError: there is no such thing; the message names the nearest ones.
    """
    if name in table:
        return table[name]
    for entry in entry_points(group=f"swagflow.{kind}s"):
        if entry.name == name:
            return cast(T, entry.load())
    if ":" in name:
        return cast(T, imported(kind, name))
    raise ValueError(f"{kind} {name!r} is unknown{nearest(name, table)}")


def imported(kind: str, path: str) -> object:
    """Return the attribute that "module:attribute" names, or raise ValueError."""
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{kind} {path!r} cannot be imported: {error}") from error


def nearest(name: str, known: Mapping[str, object]) -> str:
    """Return "; did you mean ...? Known: ..." for an error message."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else "."
    return f"{hint} Known: {', '.join(sorted(known))}"
