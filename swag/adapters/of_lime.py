"""LIME as its authors wrote it (Ribeiro et al., 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np

from swag.adapters.adapted import OneImage, names_of, split

METHODS = ("image",)
TOLD = {"image", "classifier_fn", "labels", "top_labels", "random_seed", "random_state",
        "progress_bar", "segmentation_fn", "model_regressor", "verbose"}  # fmt: skip


def accepted(_method: str) -> set[str]:
    """Return the names of the parameters that it takes."""
    kind = _class()
    return names_of(kind.__init__, kind.explain_instance) - TOLD


def explain(_method: str, image: OneImage, seed: int, parameters: dict[str, Any]) -> np.ndarray:
    """Return the weight of each pixel's superpixel."""
    made, called = split(parameters, _class().__init__)
    explainer = _class()(random_state=seed, **made)
    found = explainer.explain_instance(
        image.image_HWC,
        image.probabilities,
        labels=[image.target],
        top_labels=None,
        random_seed=seed,
        **{"batch_size": 32, **called},
    )
    weights = np.zeros(found.segments.max() + 1, np.float32)
    for segment, weight in found.local_exp[image.target]:
        weights[segment] = weight
    map_HW: np.ndarray = weights[found.segments]
    return map_HW


def _class() -> Any:
    from lime.lime_image import LimeImageExplainer  # noqa: PLC0415 - not always installed

    return LimeImageExplainer
