"""Connected pieces of one image's labels, compiled by numba; `connected` is for many at once."""

from __future__ import annotations

import numpy as np

from swag.superpixels.jit import compiled

_OUTSIDE, _NONE = -2, -1


@compiled()
def pieces_HW(label_HW: np.ndarray, min_size: int, max_size: int) -> np.ndarray:
    """Return labels_HW of 4-connected pieces, int64 from 0, cut as scikit-image's `slic` cuts them.

    Pixels are scanned row by row. Each new piece grows breadth-first over equal labels until
    nothing is left or it has `max_size` pixels; one below `min_size` joins the last neighbour that
    was found before.
    """
    height, width = label_HW.shape
    stride = width + 1
    # One vector, framed so that neighbours lie at fixed distances: right, left, below, above.
    label_N = np.full((height + 2) * stride + 1, _OUTSIDE, np.int32)
    piece_N = np.full((height + 2) * stride + 1, _NONE, np.int64)
    for y in range(height):
        for x in range(width):
            label_N[(y + 1) * stride + x + 1] = label_HW[y, x]
    pixel_Q = np.empty(max(max_size, 1), np.int64)
    count = 0
    for start in range(stride, (height + 1) * stride + 1):
        if piece_N[start] != _NONE or label_N[start] == _OUTSIDE:
            continue
        piece_N[start] = count
        size, joins = _grown(label_N, piece_N, pixel_Q, start, stride)
        if size >= min_size:
            count += 1
            continue
        for i in range(size):
            piece_N[pixel_Q[i]] = joins
    framed = piece_N[: (height + 2) * stride].reshape(height + 2, stride)
    return framed[1:-1, 1:].copy()


@compiled()
def _grown(
    label_N: np.ndarray, piece_N: np.ndarray, pixel_Q: np.ndarray, start: int, stride: int
) -> tuple[int, int]:
    """Number the pixels of a piece; return how many it has and which piece it came upon last."""
    label, piece = label_N[start], piece_N[start]
    pixel_Q[0] = start
    size, place, joins = 1, 0, 0
    while place < size < len(pixel_Q):
        for offset in (1, -1, stride, -stride):
            near = pixel_Q[place] + offset
            if piece_N[near] == _NONE and label_N[near] == label:
                if size < len(pixel_Q):
                    piece_N[near] = piece
                    pixel_Q[size] = near
                    size += 1
            elif piece_N[near] >= 0 and piece_N[near] != piece:
                joins = piece_N[near]
        place += 1
    return size, joins
