"""An image as tiles, in single precision beside the double that scikit-image has.

Shape suffixes beside those of `swag.types`: T tiles, A pixels of a tile, K centres, F = 4 features,
D row, column and features, E pairs of a tile and a centre, J centres that a tile is compared with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from swag.superpixels.jit import Array, compiled

NUM_FEATURES = 4
D = 2 + NUM_FEATURES
DOWN, ACROSS = 8, 16
A = DOWN * ACROSS


class Tiles(NamedTuple):
    """What does not change from round to round. Distances are in units of the grid's step."""

    feature_HWF: Array
    value_TA: Array
    """Float32: the features from the middle, each of all pixels, then |p|²."""
    place_A: Array
    """Float32: rows from the middle, then columns."""
    middle_TD: Array
    extent_T: Array
    """|p|² of a pixel that lies half of every extent from the middle: none has more."""
    step: float
    num_features: int
    """Those of the four that are not all zero."""


class Centres(NamedTuple):
    """What a round begins with."""

    mean_KD: Array
    """Row, column and features, as scikit-image has them."""
    scaled_KD: Array
    """The same with row and column in units of the step."""
    window_K4: Array
    """First row, row after the last, first column, column after the last."""
    first_T: Array
    """Where a tile's list begins; one more than there are tiles."""
    centre_E: Array
    """The lists: centres whose windows reach a tile, in ascending order."""


class Scratch(NamedTuple):
    """What is written anew for every tile."""

    found_A: Array
    """Of all pixels the least |c|² - 2 p·c, then the second least, then the nearest centre's
    number, then what is in doubt: one vector, because compilers fear that several overlap.
    """
    factor_J8: Array
    """Of the centres for comparison |c|², -2 c and the number."""


@compiled()
def scaled(feature_HWF: Array, low: float, extent: float, factor: float) -> Array:
    """Return (feature - low) / extent * factor, and zeros for features that there are not."""
    height, width, channels = feature_HWF.shape
    scaled_HWF = np.zeros((height, width, NUM_FEATURES))
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                scaled_HWF[y, x, c] = (feature_HWF[y, x, c] - low) / extent * factor
    return scaled_HWF


@compiled()
def tiled(feature_HWF: Array, step: float, num_features: int) -> Tiles:
    """Cut an image into tiles; what they have beyond it counts for nothing."""
    height, width, _ = feature_HWF.shape
    across = -(-width // ACROSS)
    num_tiles = -(-height // DOWN) * across
    value_TA = np.zeros((num_tiles, (NUM_FEATURES + 1) * A), np.float32)
    middle_TD, extent_T = np.empty((num_tiles, D)), np.empty(num_tiles)
    place_A = np.empty(2 * A, np.float32)
    for i in range(A):
        place_A[i] = (i // ACROSS - (DOWN - 1) / 2) / step
        place_A[A + i] = (i % ACROSS - (ACROSS - 1) / 2) / step
    for t in range(num_tiles):
        top, left = t // across * DOWN, t % across * ACROSS
        middle_TD[t, 0] = (top + (DOWN - 1) / 2) / step
        middle_TD[t, 1] = (left + (ACROSS - 1) / 2) / step
        part_HWF = feature_HWF[top : top + DOWN, left : left + ACROSS]
        extent_T[t] = ((DOWN - 1) / 2 / step) ** 2 + ((ACROSS - 1) / 2 / step) ** 2
        extent_T[t] += _fill(part_HWF, middle_TD[t], value_TA[t], place_A)
    return Tiles(feature_HWF, value_TA, place_A, middle_TD, extent_T, step, num_features)


@compiled()
def _fill(part_HWF: Array, middle_D: Array, value_A: Array, place_A: Array) -> float:
    """Set a tile's features, their middles and the pixels' |p|²; return what features extend."""
    height, width, channels = part_HWF.shape
    extent = 0.0
    for i in range(A):
        y, x = place_A[i], place_A[A + i]
        value_A[channels * A + i] = y * y + x * x
    for c in range(channels):
        low = high = part_HWF[0, 0, c]
        for y in range(height):
            for x in range(width):
                value = part_HWF[y, x, c]
                low = value if value < low else low
                high = value if value > high else high
        middle = (low + high) / 2
        middle_D[2 + c] = middle
        extent += ((high - low) / 2) ** 2
        for y in range(height):
            for x in range(width):
                i = y * ACROSS + x
                value = np.float32(part_HWF[y, x, c] - middle)
                value_A[c * A + i] = value
                value_A[channels * A + i] += value * value
    return extent
