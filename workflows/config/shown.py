"""How a report is to show experiments: checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..store.experiments import Experiment, Picture, Roar, Sweep
from .fields import configured

PARTS: dict[str, Picture | Sweep] = {
    "curves": Picture(),
    "gallery": Picture(),
    "sweep": Sweep(x=""),
}
"""Fields of `show` that hold a word or, with fields of their own, one of these."""


def check_parts(fields: Mapping[str, Any], path: str) -> None:
    """Check the parts of an entry's `show` that have fields of their own.

    Raises:
        UserError: an unknown key or a value of the wrong type; it names the path.
    """
    show = fields.get("show")
    for name, preset in PARTS.items():
        own = show.get(name) if isinstance(show, dict) else None
        if isinstance(own, dict):
            part = configured(preset, own, f"{path}.show.{name}")
            if isinstance(part, Sweep) and not part.x:
                raise UserError(
                    f"{path}.show.{name}: wanted x, the field along which it goes, such as "
                    "superpixels.num_segments"
                )


def check_files(experiments: Mapping[str, Experiment], roar: Mapping[str, Roar]) -> None:
    """Check that no two experiments are written into the same file.

    Raises:
        UserError: two have the same `stem`.
    """
    stems = {
        f"experiments.{name}": experiment.show.stem or f"{name}_{experiment.metric}"
        for name, experiment in experiments.items()
    }
    if any(own := [item.show.stem for item in roar.values()]):
        stems["roar"] = own[0]
    owners: dict[str, str] = {}
    for path, stem in stems.items():
        if stem in owners:
            raise UserError(
                f"{path}.show.stem: {stem!r} is the name of the files of {owners[stem]} already; "
                "give each its own"
            )
        owners[stem] = path
