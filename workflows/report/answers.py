"""What models said of the images: their accuracy, and the rows of images that they got right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from swag.stats import wilson_interval

from ..errors import UserError


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The share of a data set's images that a model gives their label."""

    dataset: str
    model: str
    accuracy: float
    ci_low: float
    """Of the 95 % interval (Wilson, 1927)."""
    ci_high: float
    n: int
    """Images with a label that is one of the model's classes."""
    n_classes: int
    """Different labels among them."""

    @property
    def is_chance(self) -> bool:
        """Whether guessing one of these labels could have done as well."""
        return self.n_classes > 1 and self.ci_low <= 1 / self.n_classes


def correct_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of images whose predicted class is their label, where both are known."""
    if "prediction" not in scores:
        return scores.iloc[:0]
    known = scores["label"].notna() & scores["prediction"].notna()
    return scores[known & (scores["label"] == scores["prediction"])]


def known_correct(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return `correct_rows` of a metric.

    Raises:
        UserError: the rows do not say what is correct.
    """
    unknown = "prediction" not in scores or scores["label"].isna().all()
    if unknown and not scores.empty:
        raise UserError(
            f"only_correct: the rows of {metric!r} have no labels or predictions, because version "
            "0.1 wrote them or the data set has none; leave it out, or compute them in a new run "
            "folder"
        )
    return correct_rows(scores)


def accuracies(frames: Iterable[pd.DataFrame]) -> list[Accuracy]:
    """Return the accuracy of each model on each data set, of whatever images any metric scored.

    Rows of version 0.1 have no predictions; of them nothing is said.
    """
    columns = ["dataset", "model", "image_id", "label", "prediction"]
    known = [
        frame[columns].dropna().drop_duplicates(columns[:3])
        for frame in frames
        if not frame.empty and "prediction" in frame
    ]
    if not known:
        return []
    rows = pd.concat(known, ignore_index=True).drop_duplicates(columns[:3])
    found = []
    for (dataset, model), own in rows.groupby(["dataset", "model"], sort=False, observed=True):
        right = int((own["label"] == own["prediction"]).sum())
        low, high = wilson_interval(right, len(own))
        found.append(
            Accuracy(
                dataset=str(dataset),
                model=str(model),
                accuracy=right / len(own),
                ci_low=low,
                ci_high=high,
                n=len(own),
                n_classes=own["label"].nunique(),
            )
        )
    return found
