"""SLIC of one image, compiled by numba: scikit-image's labels in a fraction of its time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from swag.superpixels.kernels import cluster
from swag.superpixels.pieces import pieces_HW
from swag.superpixels.slic import Grid
from swag.superpixels.tiles import NUM_FEATURES, scaled, tiled

LARGEST = 1e6
"""Of features' extents, in units of the grid's step: single precision then holds the squares."""


def slic_HW(feature_HWF: np.ndarray, num_segments: int, max_iterations: int) -> np.ndarray | None:
    """Return labels_HW: int64 from 0 without gaps, as scikit-image has them.

    None where features are not what this is made for: more than four, or of an extent beyond
    `LARGEST`.

    Raises:
        ValueError: features are not finite.
    """
    height, width, num_features = feature_HWF.shape
    low = float(feature_HWF.min())
    extent = float(feature_HWF.max()) - low
    if not np.isfinite(extent):
        raise ValueError("SLIC needs finite features, and these hold NaN or infinity")
    if num_features > NUM_FEATURES or extent > LARGEST:
        return None
    grid = Grid.of(height, width, num_segments)
    # To 0..1 and back, as scikit-image does it, for the same bits.
    factor = 1 / (1 / extent) if extent else 1.0
    scaled_HWF = scaled(feature_HWF, low, extent or 1.0, factor)
    label_HW = _first_round(grid, height, width).copy()
    reach_2 = np.array(grid.reach, float)
    tiles = tiled(scaled_HWF, float(grid.step), num_features)
    cluster(tiles, label_HW, grid.num_centres, reach_2, max_iterations - 1)
    size = height * width / grid.num_centres
    return pieces_HW(label_HW, int(size / 2), int(3 * size))


@lru_cache
def _first_round(grid: Grid, height: int, width: int) -> np.ndarray:
    """Return the labels that go by place alone: all centres begin without features."""
    row_H, column_W = _nearest(grid.rows, height), _nearest(grid.columns, width)
    label_HW: np.ndarray = (row_H[:, None] * len(grid.columns) + column_W).astype(np.int32)
    return label_HW


def _nearest(places: range, length: int) -> np.ndarray:
    """Return the number of the nearest place to each pixel, of two the lower one."""
    number: np.ndarray = np.abs(np.arange(length)[:, None] - np.array(places)).argmin(1)
    return number
