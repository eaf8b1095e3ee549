"""Images on which a threshold is chosen, and never evaluated; the choice from stored overlaps.

Shape suffixes: N images, A thresholds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swag.rng import generator

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def is_held_out(image_id: str, fraction: float = 0.25) -> bool:
    """Tell whether an image serves to choose alpha; it is then never evaluated.

    Decided by the id alone, so it is the same for every method, model, run and number of images.
    """
    return bool(generator(0, image_id, "held_out").random() < fraction)


def choose_alpha(iou_NA: Floats, held_out_N: Bools) -> int:
    """Return the position of the alpha with the fewest errors on the held-out images.

    The smallest of equally good ones. Images of NaN, which have no boxes, do not count.

    Raises:
        ValueError: there is no held-out image with boxes.
    """
    chosen_NA = iou_NA[held_out_N & ~np.isnan(iou_NA).any(1)]
    if not len(chosen_NA):
        raise ValueError("no image with boxes is held out to choose alpha; use more images")
    return int(is_wrong(chosen_NA).sum(0).argmin())


def is_wrong(iou: Floats) -> Bools:
    """Tell where a box misses: an overlap of exactly one half is not "greater than 50 %"."""
    return ~(iou > 0.5)


def choose_overlap(iou_NA: Floats, held_out_N: Bools) -> int:
    """Return the position of the alpha with the largest mean overlap on the held-out images.

    The smallest of equally good ones. Images of NaN, which have no ground truth, do not count.

    Raises:
        ValueError: no image with a ground truth is held out.
    """
    chosen_NA = iou_NA[held_out_N & ~np.isnan(iou_NA).any(1)]
    if not len(chosen_NA):
        raise ValueError("no image whose object is known is held out to choose alpha; use more")
    return int(chosen_NA.mean(0).argmax())
