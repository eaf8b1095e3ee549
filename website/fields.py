"""Tables of what may stand in a configuration, read from the dataclasses that check it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from sphinx.pycode import ModuleAnalyzer

WORDS = {
    bool: "`true` or `false`",
    float: "number",
    int: "whole number",
    str: "text",
    NoneType: "`null`",
}
REQUIRED = "required"


@dataclasses.dataclass(frozen=True)
class Row:
    """A field: what it takes and is, as Markdown."""

    name: str
    takes: str
    default: str
    """As YAML, or `REQUIRED`."""
    about: str


def rows_of(kind: type, titles: Mapping[type, str]) -> list[Row]:
    """Return the fields of a dataclass that a configuration may set.

    Args:
        kind: the dataclass.
        titles: what the page has a heading for.
    """
    hints = get_type_hints(kind)
    about = _documented(kind)
    fields = [item for item in dataclasses.fields(kind) if item.init]
    return [
        Row(item.name, takes(hints[item.name], titles), _default(item), about.get(item.name, ""))
        for item in fields
    ]


def table(rows: list[Row]) -> str:
    """Return fields as a table of Markdown."""
    lines = ["| field | takes | default | is |", "| --- | --- | --- | --- |"]
    for row in rows:
        default = row.default if row.default == REQUIRED else f"`{row.default}`"
        cells = (f"`{row.name}`", row.takes, default, row.about)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def takes(hint: Any, titles: Mapping[type, str]) -> str:
    """Return what a field of this annotation takes, in words of YAML."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{_yaml(value)}`" for value in parts)
    if origin in {Union, UnionType}:
        return " or ".join(takes(part, titles) for part in parts)
    if origin is tuple:
        if parts[1:] == (Ellipsis,):
            return f"list of {takes(parts[0], titles)}"
        return f"list of {len(parts)}: {', '.join(takes(part, titles) for part in parts)}"
    if hint in titles:
        return f"[{titles[hint]}](#{titles[hint].lower().replace(' ', '-')})"
    return WORDS.get(hint) or str(hint.__name__).lower()


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default_factory is not dataclasses.MISSING:
        return _yaml(item.default_factory())
    return REQUIRED if item.default is dataclasses.MISSING else _yaml(item.default)


def _yaml(value: Any) -> str:
    """Return a value as it stands in a configuration; an object that is left as it is, as `{}`."""
    if dataclasses.is_dataclass(value):
        return "{}"
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _documented(kind: type) -> dict[str, str]:
    """Return what stands below each field of a class and of those that it derives from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        below = ModuleAnalyzer.for_module(base.__module__).find_attr_docs()
        for (owner, name), lines in below.items():
            if owner == base.__qualname__:
                found[name] = " ".join(" ".join(lines).split())
    return found
