"""Rows of a table where they are not simply a metric's: thresholds chosen, trainings summed up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from swag.held_out import choose_alpha, choose_overlap, is_held_out, is_wrong
from swag.stats import Floats

from ..store.experiments import Roar
from . import names


def by_variant(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each variant of a metric that has some; others come back as they are."""
    if any(f"iou_{kind}" in scores for kind in names.THRESHOLDS):
        return by_threshold(scores)
    if "mask_iou" in scores:
        return by_overlap(scores)
    if "seconds_batched" in scores:
        batched = scores.assign(value=scores["seconds_batched"], variant="batched")
        return pd.concat([scores.assign(variant="single"), batched], ignore_index=True)
    return scores


def one_variant(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one variant of the metric, which miss the same images."""
    if "variant" not in scores:
        return scores
    return scores[scores["variant"] == scores["variant"].iloc[0]]


def by_threshold(scores: pd.DataFrame) -> pd.DataFrame:
    """Return whether each evaluated image is wrong, for each kind of threshold.

    For rows of `WeakLocalisation`: the threshold's level is chosen for each data set, model and
    method on the held-out images, which are then left out.
    """
    kinds = [kind for kind in names.THRESHOLDS if f"iou_{kind}" in scores]
    held = {image_id: is_held_out(image_id) for image_id in scores["image_id"].unique()}
    keys = ["dataset", "model"]
    parts = [
        _judged(rows, kind, rows["image_id"].map(held).to_numpy(bool))
        for _, column in scores.groupby(keys, sort=False, observed=True)
        for kind in kinds
        for _, rows in column.groupby("explainer", sort=False, observed=True)
    ]
    return pd.concat(parts, ignore_index=True)


def by_overlap(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the evaluated images' overlap at the alpha that does best on the held-out ones.

    For rows of `MaskIoU`: alpha is chosen for each data set, model and method.
    """
    parts = []
    keys = ["dataset", "model", "explainer"]
    for _, rows in scores.groupby(keys, sort=False, observed=True):
        held_out_N = rows["image_id"].map(is_held_out).to_numpy(bool)
        evaluated = rows[~held_out_N].assign(value=np.nan)
        iou_NA = _lists(rows["mask_iou"])
        if iou_NA is not None:
            try:
                alpha = choose_overlap(iou_NA, held_out_N)
                evaluated = evaluated.assign(value=iou_NA[~held_out_N, alpha])
            except ValueError as error:
                evaluated = evaluated.assign(error=evaluated["error"].fillna(str(error)))
        parts.append(evaluated)
    return pd.concat(parts, ignore_index=True)


def _lists(column: pd.Series) -> Floats | None:
    """Return a column of lists as rows, NaN where one has none; None where none has one."""
    (known,) = np.nonzero(column.notna())
    if len(known) == 0:
        return None
    found_NA: Floats = np.full((len(column), len(column.iloc[known[0]])), np.nan)
    found_NA[known] = np.stack(list(column.iloc[known]))
    return found_NA


def _judged(rows: pd.DataFrame, kind: str, held_out_N: np.ndarray) -> pd.DataFrame:
    """Return the evaluated rows of one method with 1 for a wrong image, 0 for a right one."""
    evaluated = rows[~held_out_N].assign(value=np.nan, variant=kind)
    iou_NA = _lists(rows[f"iou_{kind}"])
    if iou_NA is None:
        return evaluated
    try:
        alpha = choose_alpha(iou_NA, held_out_N)
    except ValueError as error:
        return evaluated.assign(error=evaluated["error"].fillna(str(error)))
    iou_N = iou_NA[~held_out_N, alpha]
    return evaluated.assign(value=np.where(np.isnan(iou_N), np.nan, is_wrong(iou_N)))


def roar_scores(jobs: pd.DataFrame, settings: Mapping[str, Roar]) -> pd.DataFrame:
    """Return the rows of each data set, model and method: a repeat takes the place of an image.

    A repeat's curve is its accuracy at every removed fraction, and its value the trapezoid under
    it, once divided by the range of fractions and once plain. Fraction 0 is trained once for all
    methods. A repeat that lacks a job has no value.

    Args:
        jobs: the stored trainings.
        settings: by the data set that validates.
    """
    rows = [
        row
        for (dataset, model), group in jobs.groupby(["dataset", "model"], sort=False)
        for explainer in settings[dataset].explainers
        for repeat in range(settings[dataset].repeats)
        for row in _areas(group, explainer, repeat, sorted(settings[dataset].fractions))
    ]
    return pd.DataFrame(rows)


def _areas(
    group: pd.DataFrame, explainer: str, repeat: int, fractions: Sequence[float]
) -> Iterator[dict[str, Any]]:
    own = (group["explainer"] == explainer) | (group["removed_fraction"] == 0)
    jobs = group[own & (group["repeat"] == repeat)].set_index("removed_fraction")
    curve = jobs["accuracy"].reindex(fractions).to_numpy(np.float64)
    area = float(np.trapezoid(curve, fractions))
    errors = jobs["error"].dropna()
    lost = "; ".join(errors) if len(errors) else "not every fraction is trained yet"
    span = fractions[-1] - fractions[0]
    for variant, factor in zip(names.ROAR_VARIANTS, (1 / span, 1.0), strict=True):
        yield {
            "image_id": f"repeat {repeat}",
            "value": area * factor,
            "curve": curve,
            "error": None if np.isfinite(area) else lost,
            "dataset": group["dataset"].iloc[0],
            "model": group["model"].iloc[0],
            "explainer": explainer,
            "variant": variant,
        }
