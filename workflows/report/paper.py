"""The numbers that the paper prints (Hartley et al.), under our names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from ..store.experiments import PrintedTable
from .names import ROAR_VARIANTS

PaperValues = Mapping[tuple[str, str, str, str], float]
"""(method, data set, model, variant) -> value."""

_SECTIONS: Mapping[PrintedTable, str] = {
    "table1": "table1_deletion_auc",
    "table2": "table2_sanity_deletion_auc",
    "table3": "table3_lime_superpixels_deletion_auc",
    "table4": "table4_roar_auc",
    "table5": "table5_weak_localisation_error_percent",
    "table6": "table6_seconds_per_explanation",
}
_SANITY_METHODS = {
    "guided_backprop": "swag",
    "vanilla_gradient": "swag_vanilla",
    "random_noise": "swag_noise",
    "sobel": "swag_sobel",
}


def paper_values(printed: PrintedTable | None) -> PaperValues:
    """Return what a table of the paper says; nothing where none is asked for."""
    if printed is None:
        return {}
    text = (files(str(__package__)) / "paper_tables.json").read_text(encoding="utf-8")
    table = json.loads(text)[_SECTIONS[printed]]
    return dict(_values(printed, table))


def _values(
    printed: PrintedTable, table: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str, str, str], float]]:
    for method, row in table["rows"].items():
        for key, value in row.items():
            first, _, second = key.partition("/")
            if printed == "table1":
                yield (method, first, second, ""), value
            elif printed == "table2":
                yield (_SANITY_METHODS[method], table["dataset"], first, ""), value
            elif printed == "table4":
                # The paper does not say how it normalises, so its value stands beside both.
                for variant in ROAR_VARIANTS:
                    yield (method, first, table["model"], variant), value
            elif printed == "table5":
                yield (method, table["dataset"], first, second), value / 100
            elif printed == "table6":
                yield (method, "imagenet", first, "single"), value
            else:
                yield (method, table["dataset"], first, ""), value


def printed_kind(method: str) -> str:
    """Return the kind of a method of the paper that a run does not have."""
    if method in {"random", "centre"}:
        return "control"
    return "pixel" if method == "guided_backprop" else "region"
