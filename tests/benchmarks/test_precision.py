"""Of copies in other numbers, which methods changed places; of the suite, a table."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.precision import METHODS, compared, swaps
from benchmarks.suite import table

WANTED_NM = np.array([[0.1, 0.2, 0.22], [0.3, 0.4, 0.42]])


def test_methods_that_change_places_are_named() -> None:
    found_NM = WANTED_NM + np.array([0.0, 0.03, 0.0])
    told = compared(found_NM, WANTED_NM)
    assert told["images"] == 2
    assert told["ranks_changed"] == 2
    for name in ("largest_of_an_image", "largest_of_a_cell"):
        assert told[name] == pytest.approx(0.03)
    assert told["median_of_an_image"] == 0
    (swap,) = told["swapped"]
    assert swap["methods"] == list(METHODS[1:3])
    assert swap["float32"] == pytest.approx([0.3, 0.32])
    assert swap["means"] == pytest.approx([0.33, 0.32])
    assert swap["overlap"]
    assert swap["difference"] == pytest.approx([-0.02] * 3)
    assert swaps([{"model": "m", "copies": "c", **told}]) == (
        "- m, c: centre and grad_cam, 0.30000 and 0.32000 as it is, 0.33000 and 0.32000 here; "
        "their intervals overlap, their difference is -0.02000 (-0.02000 to -0.02000)"
    )


def test_methods_that_stay_are_not() -> None:
    told = compared(WANTED_NM + 0.01, WANTED_NM)
    assert told["ranks_changed"] == 0
    assert told["swapped"] == []
    assert swaps([{"model": "m", "copies": "c", **told}]) == "No two methods changed places."


def test_the_suite_has_a_column_for_each_model() -> None:
    found = {"a: LIME": [1.0, 3.0, 2.0], "b: LIME": [4.0], "b: RISE": [5.0], "SLIC, 8x8": [0.25]}
    assert table(found).splitlines() == [
        "| in the model's passes | a | b |",
        "| --- | --- | --- |",
        "| LIME | 2 (1 to 3) | 4 (4 to 4) |",
        "| RISE | - | 5 (5 to 5) |",
        "",
        "| in scikit-image's time | |",
        "| --- | --- |",
        "| SLIC, 8x8 | 0.25 (0.25 to 0.25) |",
    ]
