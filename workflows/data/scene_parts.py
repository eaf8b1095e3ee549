"""What all generated scenes are made by: pieces of photographs, digits at a place, and paint.

Integers only and Pillow's resizing, which computes with integers too, so that every machine makes
the same pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

LUMA = np.array([299, 587, 114])  # ITU-R 601, in thousandths


def crop(photograph: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    """Return a random square of a photograph, half of them mirrored, at that size."""
    side = int(rng.integers(size, min(photograph.size) + 1))
    left = int(rng.integers(photograph.width - side + 1))
    top = int(rng.integers(photograph.height - side + 1))
    box = (left, top, left + side, top + side)
    scene = photograph.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.integers(2) else scene


def somewhere(raster_hw: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the opacity, 0 to 255, of an enlarged square digit at a random place in a scene.

    It is steeper than the 8x8 original, whose strokes are as blurred as they are wide.
    """
    side = len(raster_hw)
    top, left = rng.integers(size - side + 1, size=2)
    alpha_HW = np.zeros((size, size), dtype=np.int64)
    opacity = np.clip((raster_hw.astype(np.int64) - 64) * 2, 0, 255)
    alpha_HW[top : top + side, left : left + side] = opacity
    return alpha_HW


def painted(scene_HWC: np.ndarray, alpha_HW: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return the scene with a colour (C) or colours (H,W,C) over it, each as opaque as said."""
    alpha_HW1 = alpha_HW[:, :, None]
    return np.asarray((scene_HWC * (255 - alpha_HW1) + colour * alpha_HW1 + 127) // 255)
