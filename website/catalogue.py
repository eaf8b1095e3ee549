"""What the catalogue's names stand for, and the classes behind them with shapes and sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from swag.catalog import (
    BACKGROUNDS,
    EXPLAINER_METRICS,
    EXPLAINERS,
    FILLINGS,
    METRICS,
    SEGMENTERS,
)

SECTIONS: dict[str, Mapping[str, object]] = {
    "Explainers": EXPLAINERS,
    "Metrics": {**METRICS, **EXPLAINER_METRICS},
    "Segmenters": SEGMENTERS,
    "Fillings": FILLINGS,
    "Backgrounds": BACKGROUNDS,
}


def text() -> str:
    """Return for each table its names, then its classes for Sphinx to document."""
    parts = []
    for title, entries in SECTIONS.items():
        parts += [f"## {title}", names(entries), classes(entries)]
    return "\n\n".join(parts)


def names(entries: Mapping[str, object]) -> str:
    """Return a table of names, classes and the settings that differ from a class's own."""
    lines = ["| name | class | settings |", "| --- | --- | --- |"]
    for name, entry in entries.items():
        link = f"{{py:class}}`{type(entry).__name__} <{path_of(type(entry))}>`"
        own = ", ".join(f"`{key}: {_yaml(value)}`" for key, value in settings(entry).items())
        lines.append(f"| `{name}` | {link} | {own} |")
    return "\n".join(lines)


def classes(entries: Mapping[str, object]) -> str:
    """Return a directive for each class, in the order of their first names."""
    found = dict.fromkeys(path_of(type(entry)) for entry in entries.values())
    directives = [f".. autoclass:: {path}" for path in found]
    return "\n\n".join(["```{eval-rst}", *directives, "```"])


def path_of(kind: type) -> str:
    """Return the full name of a class, by which Sphinx finds it."""
    return f"{kind.__module__}.{kind.__qualname__}"


def settings(entry: object) -> dict[str, object]:
    """Return what an instance has otherwise than its class, by the keys of a configuration."""
    found: dict[str, object] = {}
    for item in dataclasses.fields(entry):  # type: ignore[arg-type]
        value = getattr(entry, item.name)
        if dataclasses.is_dataclass(value):
            if type(value) is not type(item.default):
                found[item.name] = type(value).__name__
            inner = settings(value)
            found |= {f"{item.name}.{key}": deeper for key, deeper in inner.items()}
        elif value != item.default:
            found[item.name] = value
    return found


def _yaml(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
