"""Data of the deletion scrubber: which pixel goes when, and how the score falls."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..report.names import Labels
from ..report.source import Run
from ..store.experiments import Experiment
from ..store.parts import CellName
from .gallery import Shown, jpeg

Index = tuple[str, str, str, str]
"""Data set, model, image, method."""
MOST_STEPS = 255  # a pixel's step is one byte


def is_deletion(run: Run, experiment: Experiment) -> bool:
    """Tell whether an experiment's scores come from pixels that can be deleted step by step."""
    fields = run.described.metrics[str(experiment.metric)]
    ours = fields.get("class") == "Deletion" and "module" not in fields
    return ours and int(fields["steps"]) <= MOST_STEPS


def scrubber_data(
    run: Run, experiment: Experiment, shown: Sequence[Shown]
) -> dict[str, Any] | None:
    """Return what the page draws from, as plain data, or None where there is nothing to draw.

    `pictures` are JPEGs; each of `items` is an image on a model with, per method, its score after
    each step and the step of every pixel as deflated bytes in row-major order.
    """
    if not is_deletion(run, experiment):
        return None
    fields = run.described.metrics[str(experiment.metric)]
    rows = curve_rows(run, str(experiment.metric), shown)
    pictures: dict[str, str] = {}
    items = []
    for item in shown:
        if item.image_HWC is None:
            continue
        key = f"{item.dataset}/{item.image_id}"
        pictures.setdefault(key, _base64(jpeg(item.image_HWC)))
        height, width = item.image_HWC.shape[:2]
        items.append(
            {
                "subject": run.labels.subject(item.dataset, item.model),
                "image": item.image_id,
                "picture": key,
                "target": item.target,
                "width": width,
                "height": height,
                "fill": _fill(run, item, str(fields["fill"])),
                "methods": _methods(item, rows, int(fields["steps"]), run.labels),
            }
        )
    return {"pictures": pictures, "items": items} if items else None


def curve_rows(run: Run, metric: str, shown: Sequence[Shown]) -> dict[Index, dict[str, Any]]:
    """Return the value and the curve of each image and method that has them."""
    cells: dict[CellName, list[str]] = {}
    for item in shown:
        for method in item.saliency:
            name = CellName(item.dataset, item.model, method, metric)
            cells.setdefault(name, []).append(item.image_id)
    return {
        (*name.subject, row["image_id"], name.explainer): row
        for name, image_ids in cells.items()
        for row in run.store.score_rows(name, image_ids)
        if row.get("curve") is not None
    }


def _methods(
    item: Shown, rows: Mapping[Index, Mapping[str, Any]], steps: int, labels: Labels
) -> list[dict[str, Any]]:
    result = []
    for method in item.saliency:
        row = rows.get((item.dataset, item.model, item.image_id, method))
        if row is not None:
            result.append(
                {
                    "name": method,
                    "label": labels.method(method),
                    "value": round(float(row["value"]), 4),
                    "curve": [round(float(score), 4) for score in row["curve"]],
                    "steps": _base64(zlib.compress(_steps(item.saliency[method], steps), 9)),
                }
            )
    return result


def _steps(saliency_HW: NDArray[np.float32], steps: int) -> bytes:
    import torch  # noqa: PLC0415 - most reports have no slider

    from swag.curves.ranks import removal_step  # noqa: PLC0415

    step_1HW = removal_step(torch.from_numpy(saliency_HW.copy())[None], steps)
    return step_1HW.to(torch.uint8).numpy().tobytes()


def _fill(run: Run, item: Shown, fill: str) -> list[int]:
    if fill == "black":
        return [0, 0, 0]
    from swag.classifier import IMAGENET_MEAN  # noqa: PLC0415 - as above

    subject: Mapping[str, Any] = run.model(item.dataset, item.model)
    return [round(255 * channel) for channel in subject.get("mean", IMAGENET_MEAN)]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
