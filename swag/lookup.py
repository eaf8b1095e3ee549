"""Things by name: a row of a table, an entry point, or an attribute of a module of one's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar, cast

from swag.adapters.names import LIBRARIES, methods_of

T = TypeVar("T")


def lookup(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return what `name` stands for: a row of `table`, an entry point or a `module:attribute`.

    Of an explainer it may be a method of another library, see `swag.adapters`.

    Raises:
        ValueError: there is no such thing; the message names the nearest ones.
    """
    if name in table:
        return table[name]
    library, _, method = name.partition(":")
    if kind == "explainer" and library in LIBRARIES:
        known = methods_of(library)
        if method not in known:
            raise ValueError(f"{library} has no {method!r}{nearest(method, known)}")
        from swag.adapters.adapted import Adapted  # noqa: PLC0415 - it imports much of swag

        return cast(T, Adapted(method=name))
    for entry in entry_points(group=f"swagflow.{kind}s"):
        if entry.name == name:
            return cast(T, entry.load())
    if ":" in name:
        return cast(T, imported(kind, name))
    raise ValueError(f"{kind} {name!r} is unknown{nearest(name, table)}")


def preset(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return what `lookup` finds; of a class, its instance with default settings.

    Raises:
        ValueError: as `lookup`, or the class has a field without a default.
    """
    found: object = lookup(kind, name, table)
    if not isinstance(found, type):
        return cast(T, found)
    try:
        return cast(T, found())
    except TypeError as error:
        raise ValueError(f"{found.__name__} has no default settings: {error}") from error


def imported(kind: str, path: str) -> object:
    """Return the attribute that "module:attribute" names, or raise ValueError."""
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{kind} {path!r} cannot be imported: {error}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...? Known: ..." for an error message."""
    known = sorted(known)
    hint = did_you_mean(name, known)
    return f"{f'; {hint}' if hint else '.'} Known: {', '.join(known)}"


def did_you_mean(name: str, known: Iterable[str], *, most: int = 2, prefix: str = "") -> str:
    """Return "did you mean ...?", or nothing where no known name is like this one.

    At most `most` names are shown, each with `prefix`.
    """
    close = difflib.get_close_matches(name, list(known), n=most, cutoff=0.5)
    shown = " or ".join(repr(prefix + match) for match in close)
    return f"did you mean {shown}?" if close else ""
