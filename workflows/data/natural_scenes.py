"""Scenes as photographs are: textured, shaded, gently contrasted, with other things in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .scene_parts import LUMA, crop, painted, somewhere

_DIGIT = (24, 56)  # side of the digit's raster in the scene
_FRAGMENT = (12, 24)  # of a half's
_CONTRAST = (72, 128)  # of 255, between the digit's mean brightness and that of what it covers
_GRAIN = 4  # a texture's contrast is divided by it
_TINT = 96  # of 255, how far a channel is moved at most, before brightness is put back
_NOISE = 3  # of 255, how far a channel is moved at most
_FRAGMENTS = (0, 1)  # how many halves of other digits
_OCCLUDED = 5  # one part of so many of a digit may be covered
_FINE = 64  # side of the raster that digits are turned in


def natural_scene(
    photographs: Sequence[Image.Image],
    digit_NHW: np.ndarray,
    number: int,
    size: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a scene with a digit, uint8 (H,W,3), and where the digit is seen, bool (H,W).

    A photograph, halves of other digits in it, the digit over them, a piece of another photograph
    that may cover a part of it, light from one side, in half of the scenes a little blur, noise.
    The digits wear textures cut from photographs.

    Args:
        digit_NHW: 8x8 rasters, 0 to 240.
        number: which of them is the scene's.
        size: height and width of the scene.
    """

    def piece(side: int) -> np.ndarray:
        picture = photographs[int(rng.integers(len(photographs)))]
        return np.asarray(crop(picture, side, rng)).astype(np.int64)

    scene_HWC = piece(size)
    for _ in range(rng.integers(_FRAGMENTS[0], _FRAGMENTS[1] + 1)):
        half_HW = _half(digit_NHW[rng.integers(len(digit_NHW))], rng)
        scene_HWC = _painted(scene_HWC, _placed(half_HW, _FRAGMENT, size, rng), piece(size), rng)
    alpha_HW = _placed(digit_NHW[number], _DIGIT, size, rng)
    scene_HWC = _painted(scene_HWC, alpha_HW, piece(size), rng)
    mask_HW = alpha_HW >= 128
    cover_HW = _ellipse(size, rng)
    if (cover_HW & mask_HW).sum() * _OCCLUDED <= mask_HW.sum():
        scene_HWC = np.where(cover_HW[:, :, None], piece(size), scene_HWC)
        mask_HW &= ~cover_HW
    return _photographed(scene_HWC, rng), mask_HW


def _half(digit_HW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a digit of which the upper or lower half is left."""
    half_HW = digit_HW.copy()
    half_HW[4:] = 0
    return half_HW if rng.integers(2) else digit_HW - half_HW


def _placed(
    digit_HW: np.ndarray, sides: tuple[int, int], size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the opacity of a turned and sheared digit at a random place and size, 0 to 255."""
    side = int(rng.integers(sides[0], sides[1] + 1))
    fine = Image.fromarray(digit_HW).resize((_FINE, _FINE), Image.Resampling.BICUBIC)
    # Of 256: how large it is in both directions, and how far it leans, to 14 degrees.
    (a, d), (b, c) = rng.integers(264, 305, size=2), rng.integers(-64, 65, size=2)
    y_H1, x_1W = np.mgrid[:side, :1][0] * 2 + 1 - side, np.mgrid[:1, :side][1] * 2 + 1 - side
    column_HW = _FINE // 2 + (a * x_1W + b * y_H1) * (_FINE // 2) // (256 * side)
    row_HW = _FINE // 2 + (c * x_1W + d * y_H1) * (_FINE // 2) // (256 * side)
    # Round the raster nothing is drawn.
    padded = np.pad(np.asarray(fine), _FINE)
    turned_HW = padded[row_HW + _FINE, column_HW + _FINE]
    return somewhere(turned_HW, size, rng)


def _painted(
    scene_HWC: np.ndarray, alpha_HW: np.ndarray, texture_HWC: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the scene with a texture where something is, lighter or darker than what it covers."""
    inside_HW = alpha_HW >= 128
    if not inside_HW.any():
        return scene_HWC
    count = inside_HW.sum()
    under_C = scene_HWC[inside_HW].sum(0) // count
    contrast = rng.integers(_CONTRAST[0], _CONTRAST[1] + 1)
    # Where there is no room above or below, the other way.
    luma = (under_C @ LUMA) // 1000
    lighter = luma < 100 or (luma < 156 and bool(rng.integers(2)))
    tint_C = rng.integers(-_TINT, _TINT + 1, size=3)
    tint_C -= tint_C @ LUMA // 1000
    colour_C = under_C + (contrast if lighter else -contrast) + tint_C
    grain_HWC = (texture_HWC - texture_HWC[inside_HW].sum(0) // count) // _GRAIN
    return painted(scene_HWC, alpha_HW, np.clip(colour_C + grain_HWC, 0, 255))


def _ellipse(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random ellipse, bool (H,W), of 10 to 24 pixels across."""
    (height, width), (y, x) = rng.integers(10, 25, size=2), rng.integers(size, size=2)
    rows_H1, columns_1W = np.mgrid[:size, :1][0] - y, np.mgrid[:1, :size][1] - x
    inside_HW = 4 * (rows_H1 * width) ** 2 + 4 * (columns_1W * height) ** 2
    return np.asarray(inside_HW <= (height * width) ** 2)


def _photographed(scene_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the scene under light from one side, a little blurred or not, with noise: uint8."""
    size = len(scene_HWC)
    down, across = rng.integers(-48, 49, size=2)
    ramp_N = np.arange(size) * 2 + 1 - size
    light_HW = 256 + (down * ramp_N[:, None] + across * ramp_N[None]) // size
    lit_HWC = np.clip(scene_HWC * light_HW[:, :, None] // 256, 0, 255)
    if rng.integers(2):
        picture = Image.fromarray(lit_HWC.astype(np.uint8))
        small = picture.resize((size * 3 // 4,) * 2, Image.Resampling.BILINEAR)
        lit_HWC = np.asarray(small.resize((size, size), Image.Resampling.BILINEAR)).astype(np.int64)
    noise_HWC = rng.integers(-_NOISE, _NOISE + 1, size=lit_HWC.shape)
    return np.asarray(np.clip(lit_HWC + noise_HWC, 0, 255), dtype=np.uint8)
