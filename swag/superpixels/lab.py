"""CIELAB on the device where images are."""

from __future__ import annotations

import torch
from torch import Tensor

_XYZ = (
    (0.412453, 0.35758, 0.180423),
    (0.212671, 0.71516, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)


def lab_BHWC(image_BCHW: Tensor) -> Tensor:
    """Return sRGB images in [0, 1] as L, a, b, float64 (D65, 2 degrees; IEC 61966-2-1, CIE 15).

    The numbers are those of `skimage.color.rgb2lab`, which takes milliseconds of a CPU per image.
    """
    image_BCHW = image_BCHW.double()
    curved_BCHW = ((image_BCHW + 0.055) / 1.055) ** 2.4
    red, green, blue = curved_BCHW.where(image_BCHW > 0.04045, image_BCHW / 12.92).unbind(1)
    xyz = [
        (weights[0] * red + weights[1] * green + weights[2] * blue) / white
        for weights, white in zip(_XYZ, _WHITE, strict=True)
    ]
    x, y, z = (
        (value ** (1 / 3)).where(value > 0.008856, 7.787 * value + 16 / 116) for value in xyz
    )
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
