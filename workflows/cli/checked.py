"""A benchmark of a command line, whose names are looked at before anything that takes seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swag.lookup import nearest

from ..config.raw import composed
from ..errors import UserError
from . import names
from .garbage import importing

if TYPE_CHECKING:
    from swag.protocols import Explainer

    from ..config.benchmark import Benchmark

KEYS = {"datasets": "type", "models": "architecture", "explainers": "type", "metrics": "type"}
"""Of each section the field that names what it is where that is not the entry's own name."""


def checked_benchmark(
    name: str, overrides: Sequence[str] | None, only: Sequence[str] | None
) -> Benchmark:
    """Return the benchmark of a configuration, as `swagflow.config.load.load_benchmark`.

    Raises:
        UserError: as there; a name that is unknown is said before PyTorch is imported.
    """
    raw = checked(name, overrides, only)
    with importing("torch"):
        from ..config.load import resolve

    return resolve(raw)


def checked(
    name: str, overrides: Sequence[str] | None, only: Sequence[str] | None
) -> dict[str, Any]:
    """Return the plain data of a configuration; raises as `checked_benchmark` for names."""
    raw = composed(name, overrides or [], only or [])
    for section, key in KEYS.items():
        entries = raw.get(section) or {}
        require_names(section, {entry: fields.get(key, entry) for entry, fields in entries.items()})
    names.forget_sources()
    return raw


def require_names(section: str, asked: Mapping[str, object]) -> None:
    """Raise UserError where something is none of a list, by its place in that section.

    What a module, a library or a hub has, such as "timm/NAME", is not looked for.
    """
    at_hand = names.at_hand(section)
    plain = {
        entry: name for entry, name in asked.items() if isinstance(name, str) and _is_plain(name)
    }
    if at_hand.issuperset(plain.values()):
        return
    known = [entry.name for entry in names.LISTS[section]() if _is_plain(entry.name)]
    for entry, name in plain.items():
        if name not in known:
            place = f"{section}.{entry}: " if entry else ""
            kind = section.removesuffix("s")
            raise UserError(f"{place}{kind} {name!r} is unknown{nearest(name, known)}")


def named_explainer(name: str) -> Explainer:
    """Return the explainer of a name; raises as `require_names`, and as `preset_of`."""
    require_names("explainers", {"": name})
    import swag

    from ..config.presets import preset_of

    return preset_of("explainer", name, swag.EXPLAINERS)


def _is_plain(name: str) -> bool:
    return not {":", "/"} & set(name)
