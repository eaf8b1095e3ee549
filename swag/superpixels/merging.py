"""Felzenszwalb's and Huttenlocher's merging of pixels into regions, compiled by numba."""

from __future__ import annotations

import numpy as np

from swag.superpixels.jit import Array, compiled


@compiled()
def merged(pixel_E2: Array, cost_E: Array, num_pixels: int, scale: float, min_size: int) -> Array:
    """Return label_P: int64 from 0 without gaps, numbered by their first pixels.

    Edges join the regions of their two pixels in the order they come in, that of `cost_E`, where
    they cost less than what holds either region together: its dearest edge, and `scale` by its
    pixels, in single precision as scikit-image has it. Then, in the same order, they join what has
    fewer than `min_size` pixels.
    """
    parent_P = np.arange(num_pixels).astype(np.int32)
    size_P = np.ones(num_pixels, np.int32)
    limit_P = np.full(num_pixels, np.float32(scale))
    border_E = np.empty(len(cost_E), np.int32)
    num_borders = 0
    for e in range(len(cost_E)):
        a, b = _first(parent_P, pixel_E2[e, 0]), _first(parent_P, pixel_E2[e, 1])
        if a == b:
            continue
        if cost_E[e] < min(limit_P[a], limit_P[b]):
            joined = _join(parent_P, size_P, a, b)
            limit_P[joined] = np.float32(cost_E[e] + scale / size_P[joined])
        else:
            border_E[num_borders] = e
            num_borders += 1
    for e in border_E[:num_borders]:
        a, b = _first(parent_P, pixel_E2[e, 0]), _first(parent_P, pixel_E2[e, 1])
        if a != b and min(size_P[a], size_P[b]) < min_size:
            _join(parent_P, size_P, a, b)
    return _numbered(parent_P)


@compiled()
def _first(parent_P: Array, pixel: int) -> int:
    """Return the first pixel of a pixel's region, and shorten the way to it."""
    while parent_P[pixel] != pixel:
        parent_P[pixel] = parent_P[parent_P[pixel]]
        pixel = parent_P[pixel]
    return pixel


@compiled()
def _join(parent_P: Array, size_P: Array, a: int, b: int) -> int:
    """Make one region of those whose first pixels are `a` and `b`; return its first pixel."""
    first, last = min(a, b), max(a, b)
    parent_P[last] = first
    size_P[first] += size_P[last]
    return first


@compiled()
def _numbered(parent_P: Array) -> Array:
    label_P = np.empty(len(parent_P), np.int64)
    count = 0
    for pixel in range(len(parent_P)):
        first = _first(parent_P, pixel)
        if first == pixel:
            label_P[pixel] = count
            count += 1
        else:
            label_P[pixel] = label_P[first]
    return label_P
