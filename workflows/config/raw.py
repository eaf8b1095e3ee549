"""From a YAML file and `--set` options to the plain data of a benchmark, without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError
from .compose import SECTIONS, check_plain, chosen, expand_grids, include, prune, select
from .packaged import config_folder, config_names
from .plain import mapping_of
from .yaml_text import parse_yaml, problem_of, read_yaml


def read_config(name: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the YAML of a path, or of a name of the configurations in the package.

    What it includes is part of it; `above` are the configurations that include this one.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        path = config_folder() / f"{name}.yaml"
    try:
        loaded = read_yaml(path, name)
    except FileNotFoundError:
        known = ", ".join(config_names())
        raise UserError(
            f"configuration {name!r} was not found; give a YAML file or one of: {known}"
        ) from None
    if not isinstance(loaded, dict):
        raise UserError(f"configuration {name!r} holds {type(loaded).__name__}, not a mapping")
    if path.resolve() in above:
        raise UserError(f"configuration {name!r} includes itself")
    return include(loaded, path, partial(read_config, above=(*above, path.resolve())))


def composed(name: str, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> dict[str, Any]:
    """Return what `swagflow.config.load.resolve` makes a benchmark of.

    Raises:
        UserError: see `include`, `select` and `expand_grids`; or an override that is not
            `key=value`.
    """
    raw = read_config(name)
    raw.setdefault("name", Path(name).stem)
    for section in SECTIONS:
        if section in raw:
            raw[section] = mapping_of(raw[section], section)
    for override in overrides:
        apply_override(raw, override)
    check_plain(raw)
    written = chosen(raw.pop("only", []))
    if any(override.partition("=")[0] in SECTIONS for override in overrides):
        prune(raw)
    if names := [*only] or written:
        select(raw, names)
    expand_grids(raw)
    return raw


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set the value of one `key=value` in a configuration."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise UserError(f"--set {override!r}: wanted key=value, such as models=[tiny_vgg]")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(
            f"--set {override!r}: the value is not YAML: {problem_of(error)}"
        ) from error
    parts = key.split(".")
    if parts[0] in {"model", "dataset"} and len(parts) > 1:
        parts = [f"{parts[0]}s", _only_name(raw, f"{parts[0]}s", override), *parts[1:]]
    node = raw
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise UserError(f"--set {override!r}: {part!r} holds a value and has no fields")
    section = parts[0] in SECTIONS and len(parts) == 1
    node[parts[-1]] = mapping_of(value, parts[0]) if section else value


def _only_name(raw: Mapping[str, Any], section: str, override: str) -> str:
    names: list[str] = list(raw.get(section) or {})
    if len(names) != 1:
        raise UserError(
            f"--set {override!r} is for a benchmark of one of {section}, and this one has "
            f"{len(names)} ({', '.join(names)}); write {section}.NAME.FIELD=VALUE"
        )
    return names[0]
