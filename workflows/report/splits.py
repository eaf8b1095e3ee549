"""Means of a table's methods class by class, and over images that the model gets right or wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from swag.stats import CONFIDENCE, Floats

from .export import Sheet
from .tables import KEYS

CLASSES = "_classes"
CORRECTNESS = "_correctness"
_HEAD = ("dataset", "model", "variant", "method")


def split_sheets(stem: str, scores: pd.DataFrame) -> list[Sheet]:
    """Return the tables by class and by correctness; none where rows lack labels or predictions."""
    if "prediction" not in scores:
        return []
    known = scores[scores["label"].notna() & scores["prediction"].notna() & scores["value"].notna()]
    if known.empty:
        return []
    known = known if "variant" in known else known.assign(variant="")
    return [
        Sheet(stem + CLASSES, *_plain(by_class(known))),
        *(
            Sheet(stem + CORRECTNESS, *_plain(found))
            for found in [by_correctness(known)]
            if not found.empty
        ),
    ]


def by_class(scores: pd.DataFrame) -> pd.DataFrame:
    """Return each method's mean on the images of each label, with Student's 95 % interval.

    A class has few images, of which a bootstrap's interval would be too short.
    """
    keys = [*KEYS, "explainer", "label"]
    found = scores.groupby(keys, sort=False, observed=True)["value"].agg(["mean", "std", "count"])
    found = found.reset_index()
    n = found["count"].to_numpy(np.float64)
    half = _quantile(n - 1) * found["std"].to_numpy() / np.sqrt(n)
    found = found.assign(ci_low=found["mean"] - half, ci_high=found["mean"] + half)
    found["label"] = found["label"].astype(int)
    return _named(found.rename(columns={"count": "n"}))[
        [*_HEAD, "label", "mean", "ci_low", "ci_high", "n"]
    ]


def by_correctness(scores: pd.DataFrame) -> pd.DataFrame:
    """Return each method's means over images that the model gives their label, and over others.

    With their difference and its 95 % interval (Welch, 1947). Methods that lack either are not
    there.
    """
    right = (scores["label"] == scores["prediction"]).to_numpy(bool)
    keys = [*KEYS, "explainer"]
    sides = {
        name: side.groupby(keys, sort=False, observed=True)["value"].agg(["mean", "var", "count"])
        for name, side in (("correct", scores[right]), ("wrong", scores[~right]))
    }
    suffixed = [side.add_suffix(f"_{name}") for name, side in sides.items()]
    both = suffixed[0].join(suffixed[1], how="inner")
    both = both.reset_index()
    both["difference"] = both["mean_correct"] - both["mean_wrong"]
    share = {name: (both[f"var_{name}"] / both[f"count_{name}"]).to_numpy() for name in sides}
    total = share["correct"] + share["wrong"]
    parts = [share[name] ** 2 / (both[f"count_{name}"].to_numpy() - 1.0) for name in sides]
    with np.errstate(invalid="ignore", divide="ignore"):  # no spread: the interval is a point
        freedom = np.where(total > 0, total**2 / (parts[0] + parts[1]), 1.0)
    half = _quantile(np.where(np.isnan(total), np.nan, freedom)) * np.sqrt(total)
    both = both.assign(ci_low=both["difference"] - half, ci_high=both["difference"] + half)
    both = both.rename(columns={f"count_{name}": f"n_{name}" for name in sides})
    numbers = ["mean_correct", "n_correct", "mean_wrong", "n_wrong", "difference"]
    return _named(both)[[*_HEAD, *numbers, "ci_low", "ci_high"]]


def _quantile(freedom: Floats) -> Floats:
    """Return Student's quantile, NaN for no degree of freedom."""
    found: Floats = stats.t.ppf((1 + CONFIDENCE) / 2, np.where(freedom > 0, freedom, np.nan))
    return found


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"explainer": "method"})


def _plain(frame: pd.DataFrame) -> tuple[list[str], list[tuple[object, ...]]]:
    columns = [frame[name].tolist() for name in frame]
    return list(frame), list(zip(*columns, strict=True))
