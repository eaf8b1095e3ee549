"""Rows of masks and scores as tables, which parts are written of."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from swag.types import Score

from .parts import EXPLANATION_SCHEMA, Answers, Maps, Rows


def masks_table(rows: Rows, maps: Maps) -> pa.Table:
    """Return saliencies; `maps.saliency_BHW` has a row for each image without an error."""
    good = [index for index, error in enumerate(rows.errors) if error is None]
    saliency = dict(zip(good, maps.saliency_BHW, strict=True))
    height, width = maps.saliency_BHW.shape[1:]
    every = range(len(rows.errors))
    return pa.table(
        {
            "image_id": list(rows.image_ids),
            "target": list(rows.targets),
            "height": [height if index in saliency else None for index in every],
            "width": [width if index in saliency else None for index in every],
            "saliency": [saliency[index].ravel() if index in saliency else None for index in every],
            "seconds": [maps.seconds if index in saliency else None for index in every],
            "error": list(rows.errors),
        },
        schema=EXPLANATION_SCHEMA,
    )


def scores_table(rows: Rows, score: Score) -> pa.Table:
    """Return scores; `score` has a row for each image without an error."""
    good = [index for index, error in enumerate(rows.errors) if error is None]

    def spread(values: Any, kind: pa.DataType) -> pa.Array:
        column: list[Any] = [None] * len(rows.errors)
        for index, value in zip(good, values, strict=True):
            column[index] = value
        return pa.array(column, kind)

    columns = {
        "image_id": pa.array(list(rows.image_ids), pa.string()),
        "target": pa.array(list(rows.targets), pa.int32()),
        "value": spread([_null_if_nan(v) for v in score.value_B.tolist()], pa.float64()),
        "curve": spread(
            [None] * len(good) if score.curve_BT is None else score.curve_BT.cpu().numpy(),
            pa.list_(pa.float32()),
        ),
        "error": pa.array(list(rows.errors), pa.string()),
        **_answered(rows.answers),
    }
    for name, values in score.columns.items():
        if isinstance(values, tuple):
            columns[name] = spread(values, pa.string())
            continue
        element = pa.from_numpy_dtype(values.cpu().numpy().dtype)
        if values.ndim == 1:
            columns[name] = spread([_null_if_nan(v) for v in values.tolist()], element)
        else:
            columns[name] = spread(values.cpu().numpy(), pa.list_(element))
    return pa.table(columns)


def _answered(answers: Answers | None) -> dict[str, pa.Array]:
    if answers is None:
        return {}
    return {
        "label": pa.array(list(answers.labels), pa.int32()),
        "prediction": pa.array(list(answers.predictions), pa.int32()),
        "probability": pa.array(list(answers.probabilities), pa.float32()),
        "target_probability": pa.array(list(answers.target_probabilities), pa.float32()),
    }


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
