"""CIELAB of one image, compiled by numba: the bits of `lab` in a fraction of its time."""

from __future__ import annotations

import numpy as np

from swag.superpixels.jit import Array, compiled
from swag.superpixels.lab import CUBE, FIFTH, WHITE, XYZ


@compiled()
def lab_HWC(image_CHW: Array) -> Array:
    """Return an sRGB image in [0, 1] as L, a, b, float64."""
    _, height, width = image_CHW.shape
    lab_HWC = np.empty((height, width, 3))
    linear_CW = np.empty((3, width))
    for h in range(height):
        for c in range(3):
            for w in range(width):
                linear_CW[c, w] = _linear(np.float64(image_CHW[c, h, w]))
        for w in range(width):
            red, green, blue = linear_CW[0, w], linear_CW[1, w], linear_CW[2, w]
            x = _bent((XYZ[0][0] * red + XYZ[0][1] * green + XYZ[0][2] * blue) / WHITE[0])
            y = _bent((XYZ[1][0] * red + XYZ[1][1] * green + XYZ[1][2] * blue) / WHITE[1])
            z = _bent((XYZ[2][0] * red + XYZ[2][1] * green + XYZ[2][2] * blue) / WHITE[2])
            lab_HWC[h, w, 0] = 116 * y - 16
            lab_HWC[h, w, 1] = 500 * (x - y)
            lab_HWC[h, w, 2] = 200 * (y - z)
    return lab_HWC


@compiled()
def _linear(value: float) -> float:
    x = (value + 0.055) / 1.055
    root = ((FIFTH[0] * x + FIFTH[1]) * x + FIFTH[2]) * x + FIFTH[3]
    for _ in range(2):
        square = root * root
        fifth = square * square * root
        root = root * (4 * fifth + 6 * x) / (6 * fifth + 4 * x)
    return (x * root) * (x * root) if value > 0.04045 else value / 12.92


@compiled()
def _bent(x: float) -> float:
    root = ((CUBE[0] * x + CUBE[1]) * x + CUBE[2]) * x + CUBE[3]
    for _ in range(3):
        cube = root * root * root
        root = root * (cube + 2 * x) / (2 * cube + x)
    return root if x > 0.008856 else 7.787 * x + 16 / 116
