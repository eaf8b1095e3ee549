"""Data of the browser of images: every method's score of every image, and pictures of some."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from swag.stats import Floats, Integers, mean_of_present

from ..report.sections import Section
from ..report.source import Run
from ..store.experiments import MOST_METHODS
from ..store.parts import Subject
from .browser_pictures import Pictured, curves_of, placed
from .gallery import OpenDataset, class_name, shown_images

if TYPE_CHECKING:
    from ..data import Dataset

SHOWN = ("image_id", "explainer", "value", "target", "label", "prediction")
MOST_NUMBERS = 600_000
"""Scores that a page holds; of larger runs it has the first images, which come shuffled."""
IMAGES = 12
MOST_IMAGES = 48
"""With pictures, of each data set and model, and in all, unless more are asked for."""


@dataclass(frozen=True)
class Browser:
    """What the page draws from as plain data, and the pictures that lie beside it."""

    data: Mapping[str, Any]
    files: Mapping[str, bytes]
    """By their paths in the run folder; none where the page holds them."""


@dataclass(frozen=True)
class Scored:
    """The images of a data set and model, and every method's value of each by each metric."""

    case: Subject
    images: pd.DataFrame
    """target, label and prediction by image id."""
    num_images: int
    """How many there are, of which `images` may be the first."""
    values: Mapping[str, Floats]
    """value_NM by metric."""

    def worth_a_look(self, number: int) -> dict[str, int]:
        """Return the explained class of some images, chosen by the first metric."""
        value_NM = next(iter(self.values.values()))
        known = self.images.iloc[of_interest(value_NM, number)]["target"].dropna()
        return {str(image_id): int(target) for image_id, target in known.items()}


def browser_of(
    run: Run,
    sections: Sequence[Section],
    open_dataset: OpenDataset,
    num_pictured: int | None = None,
) -> Browser | None:
    """Return it for the metrics that give each image a value; None where there is none.

    Args:
        run: whose.
        sections: their metrics are offered, in this order.
        open_dataset: returns a data set by its name, or None where it is not at hand.
        num_pictured: how many images of each data set and model have pictures; None: 12, or fewer
            so that all make up 48.
    """
    first: dict[str, Section] = {}
    for section in sections:
        if _is_plain(run, section):
            first.setdefault(section.metric, section)
    if not first:
        return None
    frames = {metric: run.rows_of(metric) for metric in first}
    scored_methods = {name for frame in frames.values() for name in frame["explainer"].unique()}
    methods = [name for name in run.described.explainers if name in scored_methods]
    every = _scored(run, frames, methods)
    if not every:
        return None
    if num_pictured is None:
        num_pictured = max(1, min(IMAGES, MOST_IMAGES // len(every)))
    pictured: list[Pictured] = []
    subjects = []
    for place, scored in enumerate(every):
        source = open_dataset(scored.case.dataset)
        subjects.append(_subject(run, scored, source))
        target_of = scored.worth_a_look(num_pictured)
        shown = shown_images(run, scored.case, methods[:MOST_METHODS], target_of, source)
        curves = curves_of(run, list(first.values()), shown)
        keys = [f"{place}/{scored.images.index.get_loc(item.image_id)}" for item in shown]
        pictured += map(Pictured, keys, shown, curves)
    pictures, files = placed(pictured)
    data = {
        "methods": [
            {"name": name, "label": run.labels.method(name), "kind": run.described.kind(name)}
            for name in methods
        ],
        "metrics": [_metric(section) for section in first.values()],
        "subjects": subjects,
        "pictures": pictures,
    }
    return Browser(data, files)


def of_interest(value_NM: Floats, number: int) -> list[int]:
    """Return the images to show, as places: first ones, extremes, and where methods differ most.

    They are taken in turn from four orders, each once: the stored one, the mean of the methods'
    values from below and from above, and their standard deviation from above. NaNs do not count.
    """
    mean_N = mean_of_present(value_NM.T)
    spread_N = mean_of_present(((value_NM - mean_N[:, None]) ** 2).T)
    (there,) = np.nonzero(~np.isnan(mean_N))
    keys = (np.zeros(len(there)), mean_N[there], -mean_N[there], -spread_N[there])
    orders = [there[np.argsort(key_N, kind="stable")] for key_N in keys]
    in_turn = np.stack(orders, axis=1).ravel().tolist()
    return list(dict.fromkeys(in_turn))[:number]


def _is_plain(run: Run, section: Section) -> bool:
    """Tell whether a metric gives each image and method one value."""
    has_variants = any(variant for _, _, variant in section.table.columns)
    return not has_variants and not run.described.is_timing(section.metric)


def _scored(run: Run, frames: Mapping[str, pd.DataFrame], methods: Sequence[str]) -> list[Scored]:
    """Return the data sets and models that have rows."""
    cases = run.described.cases
    most = max(1, MOST_NUMBERS // max(1, len(cases) * len(methods) * len(frames)))
    found = []
    for case in cases:
        own = {metric: _rows_of(frame, case) for metric, frame in frames.items()}
        images = _images(own.values())
        if not images.empty:
            kept = images.iloc[:most]
            values = {metric: _values(rows, kept, methods) for metric, rows in own.items()}
            found.append(Scored(case, kept, len(images), values))
    return found


def _rows_of(frame: pd.DataFrame, case: Subject) -> pd.DataFrame:
    """Return the rows of a data set and model, with what is shown of them."""
    own = (frame["dataset"] == case.dataset) & (frame["model"] == case.model)
    return frame.loc[own, [name for name in SHOWN if name in frame]]


def _images(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return target, label and prediction of each image that has a row, by its id."""
    parts = [
        rows.drop_duplicates("image_id")
        .set_index("image_id")
        .reindex(columns=["target", "label", "prediction"])
        for rows in frames
    ]
    images = pd.concat([part.set_index(part.index.astype(str)) for part in parts])
    return images[~images.index.duplicated()]


def _values(rows: pd.DataFrame, images: pd.DataFrame, methods: Sequence[str]) -> Floats:
    """Return value_NM of a metric."""
    row_N = _positions(rows["image_id"], images.index)
    column_N = _positions(rows["explainer"], pd.Index(methods))
    is_kept_N = (row_N >= 0) & (column_N >= 0)
    value_NM: Floats = np.full((len(images), len(methods)), np.nan)
    value_NM[row_N[is_kept_N], column_N[is_kept_N]] = rows["value"].to_numpy(float)[is_kept_N]
    return value_NM


def _positions(column: pd.Series, index: pd.Index) -> Integers:
    """Return where in `index` the names of a column of categories are; -1 where they are not."""
    place_C = index.get_indexer(column.cat.categories.astype(str))
    positions: Integers = place_C[column.cat.codes]
    return positions


def _subject(run: Run, scored: Scored, source: Dataset | None) -> dict[str, Any]:
    images = scored.images
    numbers = pd.unique(pd.concat([images["target"], images["label"]]).dropna())
    place = {number: position for position, number in enumerate(numbers)}
    known = images["label"].notna() & images["prediction"].notna()
    right = images["label"] == images["prediction"]
    return {
        "label": run.labels.subject(*scored.case),
        "total": scored.num_images,
        "images": images.index.tolist(),
        "classes": [class_name(source, int(number)) for number in numbers],
        "target": images["target"].map(place).fillna(-1).astype(int).tolist(),
        "class": images["label"].map(place).fillna(-1).astype(int).tolist(),
        "correct": "".join(np.where(known, np.where(right, "1", "0"), "?")),
        "values": {metric: _packed(value_NM) for metric, value_NM in scored.values.items()},
    }


def _packed(value_NM: Floats) -> str:
    """Return numbers as little-endian float32 in row-major order, in base64."""
    return base64.b64encode(value_NM.astype("<f4").tobytes()).decode("ascii")


def _metric(section: Section) -> dict[str, Any]:
    text = section.text
    return {
        "name": section.metric,
        "label": text.label,
        "unit": text.unit,
        "factor": text.factor,
        "decimals": text.decimals,
        "higher": section.higher_is_better,
        "curve_x": text.curve_x,
        "curve_y": text.curve_y,
    }
