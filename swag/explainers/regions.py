"""XRAI's regions: overlapping segments of an image, ranked by the attribution they add."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy
import skimage

from swag.superpixels.graph import regions

SCALES = (50, 100, 150, 250, 500, 1200)
SIGMA = 0.8
MIN_SIZE = 150
"""Of Felzenszwalb's segmentation, as the authors have them."""
_SIDE = 224
_DILATION = 5
_MIN_PIXELS = 50


def segmentations(image_HWC: np.ndarray) -> list[np.ndarray]:
    """Return labels_HW at each of XRAI's six scales (Felzenszwalb and Huttenlocher, 2004).

    The image is stretched to [-1, 1] and segmented at 224x224 pixels, so that the scales mean the
    same for every image.
    """
    low, high = image_HWC.min(), image_HWC.max()
    stretched_HWC = (image_HWC - low) / (high - low if high > low else 1) * 2 - 1
    size = (_SIDE, _SIDE)
    stretched_hwC = skimage.transform.resize(
        stretched_HWC, size, order=3, mode="constant", preserve_range=True, anti_aliasing=True
    )
    labels = regions(stretched_hwC, SCALES, SIGMA, MIN_SIZE)
    return [_resized(labels_hw, image_HWC.shape[:2]) for labels_hw in labels]


def _resized(labels_hw: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    labels_HW: np.ndarray = skimage.transform.resize(
        labels_hw, size, order=0, mode="constant", preserve_range=True, anti_aliasing=False
    )
    return labels_HW.astype(np.int64)


def dilated_regions(
    labels: Sequence[np.ndarray], radius: int = _DILATION
) -> scipy.sparse.csr_array:
    """Return region_RP, one row of ones per segment, dilated by a disk.

    A disk holds the way from its centre to each of its pixels, row by row and column by column, so
    the pixels at a segment's inner border add all that dilation adds.
    """
    height, width = labels[0].shape
    # A margin takes what a disk puts outside the image.
    padded_height, padded_width = height + 2 * radius, width + 2 * radius
    size = padded_height * padded_width
    place_HW = np.arange(size).reshape(padded_height, padded_width)
    place_HW = place_HW[radius : radius + height, radius : radius + width]
    from skimage.morphology import disk  # noqa: PLC0415 - it imports much of scipy

    offsets = (np.argwhere(disk(radius)) - radius) @ [padded_width, 1]
    num_regions = np.array([labels_HW.max() + 1 for labels_HW in labels])
    region_RP = np.zeros((num_regions.sum(), size), dtype=bool)
    for first, labels_HW in zip(np.cumsum(num_regions) - num_regions, labels, strict=True):
        position_HW = (first + labels_HW) * size + place_HW
        region_RP.ravel()[position_HW] = True
        border_N = position_HW[_inner_border(labels_HW)]
        region_RP.ravel()[np.add.outer(border_N, offsets)] = True
    region_RP = region_RP.reshape(-1, padded_height, padded_width)
    inside_RP = region_RP[:, radius : radius + height, radius : radius + width]
    pixels = np.flatnonzero(inside_RP)
    starts = np.searchsorted(pixels, np.arange(len(region_RP) + 1) * height * width)
    ones = np.ones(len(pixels), dtype=np.int8)
    return scipy.sparse.csr_array(
        (ones, pixels % (height * width), starts), (len(region_RP), height * width)
    )


def _inner_border(labels_HW: np.ndarray) -> np.ndarray:
    """Return where one of the four neighbours has another label, as bool."""
    border_HW = np.zeros(labels_HW.shape, dtype=bool)
    down = labels_HW[1:] != labels_HW[:-1]
    right = labels_HW[:, 1:] != labels_HW[:, :-1]
    border_HW[1:] |= down
    border_HW[:-1] |= down
    border_HW[:, 1:] |= right
    border_HW[:, :-1] |= right
    return border_HW


def grow(region_RP: scipy.sparse.csr_array, attribution_P: np.ndarray) -> np.ndarray:
    """Return saliency_P of full XRAI (Kapishnikov et al., 2019, algorithm 1), float64.

    The region whose uncovered pixels have the highest mean attribution is added, and they get that
    mean; again, until no region has 50 uncovered pixels. What is left gets its own mean.
    """
    whole_P, unit = _whole_numbers(attribution_P)
    regions_of_PR = region_RP.T.tocsr()
    total_R, count_R = region_RP @ whole_P, np.diff(region_RP.indptr)
    free_P = np.ones(len(whole_P), dtype=bool)
    saliency_P = np.zeros(len(whole_P))
    while (open_R := count_R >= _MIN_PIXELS).any():
        gain_R = np.divide(total_R, count_R, out=np.full(len(count_R), -np.inf), where=open_R)
        best = int(gain_R.argmax())
        pixels = _pixels(region_RP, best)
        pixels = pixels[free_P[pixels]]
        saliency_P[pixels] = gain_R[best]
        free_P[pixels] = False
        covered_PR = regions_of_PR[pixels]
        whole_N = np.repeat(whole_P[pixels], np.diff(covered_PR.indptr))
        total_R = total_R - np.bincount(covered_PR.indices, whole_N, minlength=len(count_R))
        count_R = count_R - np.bincount(covered_PR.indices, minlength=len(count_R))
    return _fill_rest(saliency_P, free_P, whole_P) * unit


def grow_fast(region_RP: scipy.sparse.csr_array, attribution_P: np.ndarray) -> np.ndarray:
    """Return saliency_P of XRAI's fast variant, float64: regions in the order of their own mean."""
    whole_P, unit = _whole_numbers(attribution_P)
    count_R = np.diff(region_RP.indptr)
    gain_R = np.divide(
        region_RP @ whole_P, count_R, out=np.full(len(count_R), -np.inf), where=count_R > 0
    )
    free_P = np.ones(len(whole_P), dtype=bool)
    saliency_P = np.zeros(len(whole_P))
    for region in np.argsort(-gain_R, stable=True):
        pixels = _pixels(region_RP, region)
        pixels = pixels[free_P[pixels]]
        if len(pixels) >= _MIN_PIXELS:
            saliency_P[pixels] = whole_P[pixels].mean()
            free_P[pixels] = False
    return _fill_rest(saliency_P, free_P, whole_P) * unit


def _pixels(region_RP: scipy.sparse.csr_array, region: int) -> np.ndarray:
    pixels: np.ndarray = region_RP.indices[region_RP.indptr[region] : region_RP.indptr[region + 1]]
    return pixels


def _whole_numbers(attribution_P: np.ndarray) -> tuple[np.ndarray, float]:
    """Return attributions as whole numbers of a unit so small that float64 sums stay exact.

    Then regions with the same uncovered pixels, or with nothing but zeros in them, tie exactly
    however their sums came about, and ties go to the first region as in the authors' code.
    """
    peak = float(np.abs(attribution_P).max())
    unit = math.ldexp(1.0, math.frexp(peak)[1] + math.ceil(math.log2(len(attribution_P))) - 53)
    return np.rint(attribution_P / unit), unit


def _fill_rest(saliency_P: np.ndarray, free_P: np.ndarray, whole_P: np.ndarray) -> np.ndarray:
    if free_P.any():
        saliency_P[free_P] = whole_P[free_P].mean()
    return saliency_P
