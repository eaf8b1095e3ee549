"""Felzenszwalb's and Huttenlocher's regions of one image, at any number of scales."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import skimage

from swag.superpixels.optional import compiled_module

_STEPS = ((0, 1), (1, 0), (1, 1), (-1, 1))
"""From a pixel to those that it has edges to, in rows and columns, in scikit-image's order."""


def regions(
    image_HWC: np.ndarray,
    scales: Sequence[float],
    sigma: float,
    min_size: int,
    *,
    compiled: bool = True,
) -> list[np.ndarray]:
    """Return scikit-image's labels_HW of each scale: int64 from 0 without gaps.

    Where numba is installed and `compiled` allows it, the image is smoothed once and its edges are
    ordered once for all scales.
    """
    module = compiled_module("swag.superpixels.merging") if compiled else None
    if module is None:
        return [
            skimage.segmentation.felzenszwalb(
                image_HWC, scale=scale, sigma=sigma, min_size=min_size, channel_axis=-1
            )
            for scale in scales
        ]
    height, width = image_HWC.shape[:2]
    smooth_HWC = skimage.filters.gaussian(
        image_HWC.astype(np.float64), sigma=[sigma, sigma, 0], mode="reflect", channel_axis=-1
    )
    cost_E = np.concatenate([_cost(smooth_HWC, *step) for step in _STEPS])
    # scikit-image's own call: which of equal edges comes first is numpy's choice.
    order_E = np.argsort(cost_E)
    pixel_E2, cost_E = _edges(height, width)[order_E], cost_E[order_E]
    labels = [
        module.merged(pixel_E2, cost_E, height * width, scale / 255.0, min_size) for scale in scales
    ]
    return [label_P.reshape(height, width) for label_P in labels]


def _cost(smooth_HWC: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return the distances of colours between pixels and those a step away, row by row."""
    near, far = _ends(smooth_HWC, down, right)
    difference = far - near
    cost_hw: np.ndarray = np.sqrt(np.sum(difference * difference, axis=-1))
    return cost_hw.ravel()


@lru_cache(4)
def _edges(height: int, width: int) -> np.ndarray:
    """Return the numbers of each edge's two pixels, pixel_E2, int32."""
    pixel_HW = np.arange(height * width, dtype=np.int32).reshape(height, width)
    ends = [_ends(pixel_HW, *step) for step in _STEPS]
    return np.concatenate([np.stack([a.ravel(), b.ravel()], axis=1) for a, b in ends])


def _ends(value_HW: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what pixels have, and what those a step away have, where both are in the image."""
    height, width = value_HW.shape[:2]
    rows = slice(max(-down, 0), height - max(down, 0))
    far_rows = slice(max(down, 0), height - max(-down, 0))
    return value_HW[rows, : width - right], value_HW[far_rows, right:]
