"""CIELAB on the device where images are.

Powers are roots by Halley's iteration, of sums, products and quotients alone: whatever computes
them, PyTorch on any device or `compiled_lab`, has the same bits, and so have superpixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

XYZ = (
    (0.412453, 0.35758, 0.180423),
    (0.212671, 0.71516, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)
FIFTH = (0.66611877, -1.44898888, 1.27077415, 0.51923691)
"""x**(1/5) to 0.8 % for x from 0.09 to 1, coefficients from the third power on: the first guess."""
CUBE = (3.15447222, -5.34880053, 3.08089987, 0.19779717)
"""x**(1/3) to 9 % for x from 0.0088 to 1."""


def lab_BHWC(image_BCHW: Tensor) -> Tensor:
    """Return sRGB images in [0, 1] as L, a, b, float64 (D65, 2 degrees; IEC 61966-2-1, CIE 15).

    The numbers are those of `skimage.color.rgb2lab`, but for the last of 16 digits.
    """
    image_BCHW = image_BCHW.double()
    curved_BCHW = _to_2_4((image_BCHW + 0.055) / 1.055)
    curved_BCHW = curved_BCHW.where(image_BCHW > 0.04045, image_BCHW / 12.92)
    red, green, blue = curved_BCHW.unbind(1)
    x, y, z = (
        (weights[0] * red + weights[1] * green + weights[2] * blue) / white
        for weights, white in zip(XYZ, WHITE, strict=True)
    )
    x, y, z = (
        _cube_root(value).where(value > 0.008856, 7.787 * value + 16 / 116) for value in (x, y, z)
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def _to_2_4(x: Tensor) -> Tensor:
    """Return x**2.4, which is x² times the square of x**(1/5)."""
    root = ((FIFTH[0] * x + FIFTH[1]) * x + FIFTH[2]) * x + FIFTH[3]
    for _ in range(2):  # an error e becomes 2 e³
        square = root * root
        fifth = square * square * root
        root = root * (4 * fifth + 6 * x) / (6 * fifth + 4 * x)
    return (x * root) * (x * root)


def _cube_root(x: Tensor) -> Tensor:
    root = ((CUBE[0] * x + CUBE[1]) * x + CUBE[2]) * x + CUBE[3]
    for _ in range(3):  # an error e becomes 2/3 e³
        cube = root * root * root
        root = root * (cube + 2 * x) / (2 * cube + x)
    return root
