"""The numbers that the paper prints (Hartley et al.), under our names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

PaperValues = Mapping[tuple[str, str, str, str], float]
"""(method, data set, model, variant) -> value."""

ROAR_VARIANTS = ("divided_by_range", "plain")
_SECTIONS = {
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


def paper_values(experiment: str) -> PaperValues:
    """Return what the paper's table of that name says; empty where it has none."""
    if experiment not in _SECTIONS:
        return {}
    text = (files(str(__package__)) / "paper_tables.json").read_text(encoding="utf-8")
    table = json.loads(text)[_SECTIONS[experiment]]
    return dict(_values(experiment, table))


def _values(
    experiment: str, table: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str, str, str], float]]:
    for method, row in table["rows"].items():
        for key, value in row.items():
            first, _, second = key.partition("/")
            if experiment == "table1":
                yield (method, first, second, ""), value
            elif experiment == "table2":
                yield (_SANITY_METHODS[method], table["dataset"], first, ""), value
            elif experiment == "table4":
                # The paper does not say how it normalises, so its value stands beside both.
                for variant in ROAR_VARIANTS:
                    yield (method, first, table["model"], variant), value
            elif experiment == "table5":
                yield (method, table["dataset"], first, second), value / 100
            elif experiment == "table6":
                yield (method, "imagenet", first, "single"), value
            else:
                yield (method, table["dataset"], first, ""), value
