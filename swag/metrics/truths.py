"""Where the object is: the pixels of an image's boxes or mask.

Boxes are x0, y0, x1, y1 with x1 and y1 exclusive, in pixels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from swag.checks import require_finite, require_fit
from swag.signals import Signals

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Truth = Literal["boxes", "mask"]


def judged(
    signals: Signals, saliency_BHW: Tensor, truth: Truth
) -> list[tuple[NDArray[np.float32], Bools | None]]:
    """Return each image's saliency and the pixels of its object, None where they are not known."""
    require_fit(signals, saliency_BHW)
    require_finite(saliency_BHW)
    batch = signals.batch
    inside: list[Bools | None] = [None] * len(batch)
    if truth == "mask" and batch.mask_BHW is not None:
        inside = list(batch.mask_BHW.cpu().numpy())
    if truth == "boxes" and batch.boxes is not None:
        known = [known_boxes(boxes_N4) for boxes_N4 in batch.boxes]
        height, width = saliency_BHW.shape[1:]
        inside = [None if boxes is None else box_mask(boxes, height, width) for boxes in known]
    # Without any pixel there is nothing to hit.
    inside = [None if pixels is None or not pixels.any() else pixels for pixels in inside]
    return list(zip(arrays(saliency_BHW), inside, strict=True))


def box_mask(boxes_N4: Floats, height: int, width: int) -> Bools:
    """Return the pixels whose centres lie in any of the boxes."""
    x0, y0, x1, y1 = boxes_N4.T[:, :, None]
    row_H, column_W = np.arange(height) + 0.5, np.arange(width) + 0.5
    row_NH = (row_H >= y0) & (row_H < y1)
    column_NW = (column_W >= x0) & (column_W < x1)
    inside_HW: Bools = (row_NH[:, :, None] & column_NW[:, None]).any(0)
    return inside_HW


def known_boxes(boxes_N4: Tensor | None) -> Floats | None:
    """Return the boxes that cover anything, float64; None where there are none."""
    if boxes_N4 is None:
        return None
    truth_N4: Floats = boxes_N4.cpu().double().numpy()
    truth_N4 = truth_N4[(truth_N4[:, 2:] > truth_N4[:, :2]).all(1)]
    return truth_N4 if len(truth_N4) else None


def arrays(saliency_BHW: Tensor) -> NDArray[np.float32]:
    """Return saliencies as float32 on the CPU."""
    return saliency_BHW.detach().float().cpu().numpy()
