"""Numbers change only with the version of the class that makes them.

`python -m tests.swag.test_golden` writes what is new or has another version, and nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch

from swag.catalog import EXPLAINERS, METRICS
from swag.explainers.controls import Noise
from swag.protocols import Explainer, Metric
from swag.signals import Signals
from tests.support.toys import (
    annotated,
    classifier_of,
    columns_of,
    images,
    judged,
    reduced,
    toy,
    toy_for,
)

PATH = Path(__file__).parent / "golden" / "scores.json"
RECORD = "python -m tests.swag.test_golden"
Entry = dict[str, Any]


def explainer_entry(explainer: Explainer) -> Entry:
    """Each saliency's mean, and its mean weighted by a wave, which also tells places apart."""
    batch = annotated(images(3))
    saliency_BHW = explainer(
        Signals(classifier_of(toy_for(explainer)), batch, explainer.needs)
    ).double()
    wave_HW = torch.cos(torch.arange(32.0 * 32, dtype=torch.float64) * 0.7).view(32, 32)
    return {
        **named(explainer),
        "mean": numbers(saliency_BHW.mean((1, 2))),
        "wave": numbers((saliency_BHW * wave_HW).mean((1, 2))),
    }


def metric_entry(metric: Metric) -> Entry:
    """The scores of a control that does not depend on the model, and each column's mean."""
    batch = annotated(images(3))
    signals = Signals(toy(), batch)
    score = metric(judged(signals), Noise()(signals))
    columns = {
        f"column {name}": numbers(column.double().reshape(3, -1).mean(1))
        for name, column in columns_of(score).items()
    }
    return {**named(metric), "value": numbers(score.value_B), **columns}


def named(item: Explainer | Metric) -> Entry:
    return {"class": type(item).__name__, "version": item.version}


def numbers(value_B: torch.Tensor) -> list[float | None]:
    return [None if math.isnan(value) else float(f"{value:.9g}") for value in value_B.tolist()]


@cache
def golden() -> Mapping[str, Mapping[str, Entry]]:
    return json.loads(PATH.read_text()) if PATH.exists() else {"explainers": {}, "metrics": {}}


def fault(name: str, recorded: Entry | None, found: Entry) -> str | None:
    """Say what is wrong with a result that does not belong to the recorded one."""
    version = f"{found['class']}.version"
    if recorded is None:
        return f"{name} has no golden scores yet; record them: {RECORD}"
    if not same_version(recorded, found):
        return (
            f"{name}: {version} is {found['version']}, the golden scores are of "
            f"{recorded['class']}.version {recorded['version']}; record new ones: {RECORD}"
        )
    keys = recorded.keys() - {"class", "version"}
    scale = max(abs(value or 0) for key in keys for value in recorded[key])
    for key in sorted(keys):
        if not all(map(partial(alike, scale), recorded[key], found[key])):
            return (
                f"{name}: {key} changed from {recorded[key]} to {found[key]}; if that is meant, "
                f"raise {version} and record the new scores: {RECORD}"
            )
    return None


def same_version(first: Entry, second: Entry) -> bool:
    return all(first[key] == second[key] for key in ("class", "version"))


def alike(scale: float, first: float | None, second: float | None) -> bool:
    """Compare with room for another processor's rounding."""
    if first is None or second is None:
        return first is second
    return abs(first - second) <= 1e-4 * scale


@pytest.mark.parametrize("name", EXPLAINERS)
def test_saliencies_change_with_their_version_only(name: str) -> None:
    found = explainer_entry(reduced(EXPLAINERS[name]))
    message = fault(name, golden()["explainers"].get(name), found)
    assert message is None, message


@pytest.mark.parametrize("name", METRICS)
def test_scores_change_with_their_version_only(name: str) -> None:
    found = metric_entry(reduced(METRICS[name]))
    message = fault(name, golden()["metrics"].get(name), found)
    assert message is None, message


def test_a_change_is_pinned_on_the_class_whose_version_must_grow() -> None:
    old = {"class": "SWAG", "version": 1, "mean": [1.0, 2.0], "wave": [0.1, None]}
    assert fault("swag", old, {**old, "mean": [1.00001, 2.0]}) is None
    assert "raise SWAG.version" in str(fault("swag", old, {**old, "mean": [1.1, 2.0]}))
    assert "raise SWAG.version" in str(fault("swag", old, {**old, "wave": [0.1, 0.1]}))
    assert "SWAG.version is 2" in str(fault("swag", old, {**old, "version": 2}))
    assert "no golden scores yet" in str(fault("swag", None, old))


def test_nothing_is_golden_that_is_not_in_the_catalog() -> None:
    assert golden()["explainers"].keys() == EXPLAINERS.keys()
    assert golden()["metrics"].keys() == METRICS.keys()


def record() -> None:
    """Write the entries that are new or of a new version; keep the others as they are."""
    kept = golden()
    found = {
        "explainers": {n: explainer_entry(reduced(item)) for n, item in EXPLAINERS.items()},
        "metrics": {n: metric_entry(reduced(item)) for n, item in METRICS.items()},
    }
    result: dict[str, dict[str, Entry]] = {}
    for group, entries in found.items():
        result[group] = {}
        for name, entry in entries.items():
            old = kept[group].get(name)
            if old is None or not same_version(old, entry):
                result[group][name] = entry
            elif message := fault(name, old, entry):
                raise SystemExit(message)
            else:
                result[group][name] = old
    PATH.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    record()
