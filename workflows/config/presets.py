"""What the names in a configuration stand for: data sets, and what `PROTOCOLS` has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, TypeVar

from swag.backgrounds import Background
from swag.catalog import BACKGROUNDS, EXPLAINERS, FILLINGS, SEGMENTERS
from swag.lookup import lookup, preset
from swag.protocols import Explainer, ExplainerMetric, Filling, Metric, Segmenter

from ..data import DATASETS, DatasetConfig
from ..errors import as_user_error

T = TypeVar("T")
PROTOCOLS: dict[str, tuple[type, ...]] = {
    "explainer": (Explainer,),
    "metric": (Metric, ExplainerMetric),
    "segmenter": (Segmenter,),
    "filling": (Filling,),
    "background": (Background,),
}
PARTS: dict[str, Mapping[str, Any]] = {
    "explainer": EXPLAINERS,
    "segmenter": SEGMENTERS,
    "filling": FILLINGS,
    "background": BACKGROUNDS,
}
"""What may be a field of an explainer or metric, by kind. An explainer has all that a segmenter has
and more, so it comes first."""


def preset_of(kind: str, name: object, table: Mapping[str, T], path: str = "") -> T:
    """Return what a name stands for: a row of a table, or what a package adds to it.

    Of a class it is the instance with default settings.

    Args:
        kind: a key of `PROTOCOLS`.
        path: where in a configuration the name stands.

    Raises:
        UserError: there is no such thing, or it is not of this kind.
    """
    with as_user_error(path):
        found = preset(kind, str(name), table)
        if not is_dataclass(found) or not isinstance(found, PROTOCOLS[kind]):
            protocols = " or ".join(protocol.__name__ for protocol in PROTOCOLS[kind])
            raise ValueError(
                f"{name!r} is no {kind}; wanted a frozen dataclass, or an instance of one, with "
                f"what swag.protocols.{protocols} has"
            )
        return found


def part_kind(value: object) -> str | None:
    """Return the kind of a field's value among `PARTS`, or None."""
    return next((kind for kind in PARTS if isinstance(value, PROTOCOLS[kind])), None)


def dataset_class(name: object, path: str) -> type[DatasetConfig]:
    """Return the class of a data set's settings; raises as `preset_of`."""
    with as_user_error(path):
        found = lookup("dataset", str(name), DATASETS)
        if not isinstance(found, type) or not is_dataclass(found):
            raise ValueError(f"{name!r} is no dataclass of a data set's settings")
        return found
