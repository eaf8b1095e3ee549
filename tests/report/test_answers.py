"""Accuracy by hand, and the rows of images that a model gets right."""

from __future__ import annotations

import pandas as pd
import pytest

from swag.stats import wilson_interval
from swagflow.report.answers import accuracies, correct_rows

ROWS = pd.DataFrame(
    {
        "dataset": "d",
        "model": "m",
        "image_id": ["a", "b", "c", "d"],
        "label": [0, 1, 1, None],
        "prediction": [0, 0, 1, 1],
        "value": [0.1, 0.2, 0.3, 0.4],
    }
)


def test_an_image_counts_once_whatever_scores_it_has() -> None:
    (found,) = accuracies([ROWS, ROWS.assign(value=None), ROWS.iloc[:1]])
    assert (found.accuracy, found.n, found.n_classes) == (2 / 3, 3, 2)
    assert (found.ci_low, found.ci_high) == wilson_interval(2, 3)
    assert found.is_chance


def test_wilson_by_hand() -> None:
    """8 of 10: (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n), z = 1.96."""
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(10, 10)[1] == 1


def test_old_rows_say_nothing() -> None:
    old = ROWS.drop(columns=["label", "prediction"])
    assert accuracies([old, old.iloc[:0]]) == []
    assert correct_rows(old).empty


def test_correct_rows_are_those_whose_label_is_known_and_predicted() -> None:
    assert correct_rows(ROWS)["image_id"].tolist() == ["a", "c"]
