"""SLIC's rounds on one image, compiled by numba.

The pixels of a tile are compared with the centres whose windows reach it. With places and features
from the tile's middle, the squared distance of a pixel p to a centre c is |p|² + |c|² - 2 p·c, of
which |p|² does not decide what is nearest. It is computed in single precision, several pixels at
once, and counts only where it leaves no doubt. Where the two nearest centres are closer than errors
of rounding, or the nearest has a window that does not hold all of the tile, a pixel is compared
again as scikit-image does it: in double precision, window by window, in the order of the centres.
Centres are averaged in its order too, so that all labels are the same, those of ties included.

All that is compiled together stands in one module, by which numba knows whether it has changed.
"""

from __future__ import annotations

import numpy as np

from swag.superpixels.jit import Array, compiled
from swag.superpixels.tiles import ACROSS, DOWN, NUM_FEATURES, A, Centres, D, Scratch, Tiles

Where = tuple[int, int, int, int, int]
"""A tile: its number, its first row and the one after its last, its first column, likewise."""
_ERROR = np.float32(2.0**-18)
"""64 roundings of single precision: more than the seven products of a distance can differ by."""
_FAR = np.float32(1e30)
_PARTLY = np.float32(0.5)
"""Added to the number of a centre whose window does not hold all of a tile."""


@compiled()
def cluster(tiles: Tiles, label_HW: Array, num_centres: int, reach_2: Array, rounds: int) -> None:
    """Give pixels their nearest centres, in label_HW, round by round while any changes.

    `reach_2` are half of the windows' height and width.
    """
    mean_KD, scaled_KD = np.empty((num_centres, D)), np.empty((num_centres, D))
    window_K4 = np.empty((num_centres, 4), np.int32)
    factor_J8 = np.zeros((num_centres + 1, D + 2), np.float32)
    scratch = Scratch(np.empty(4 * A, np.float32), factor_J8)
    for _ in range(rounds):
        _average(tiles.feature_HWF, label_HW, mean_KD)
        for k in range(num_centres):
            for d in range(D):
                scaled_KD[k, d] = mean_KD[k, d] / tiles.step if d < 2 else mean_KD[k, d]
        _set_windows(mean_KD, reach_2, label_HW.shape, window_K4)
        first_T, centre_E = _listed(window_K4, label_HW.shape)
        centres = Centres(mean_KD, scaled_KD, window_K4, first_T, centre_E)
        if not _assign(tiles, centres, label_HW, scratch):
            break


@compiled()
def _average(feature_HWF: Array, label_HW: Array, mean_KD: Array) -> None:
    """Add up each centre's pixels row by row, and divide; infinitely far where it has none."""
    height, width = label_HW.shape
    mean_KD[:] = 0
    count_K = np.zeros(len(mean_KD))
    for y in range(height):
        x = 0
        while x < width:
            begin, k = x, label_HW[y, x]
            a, b, c, d = mean_KD[k, 2], mean_KD[k, 3], mean_KD[k, 4], mean_KD[k, 5]
            while x < width and label_HW[y, x] == k:
                a += feature_HWF[y, x, 0]
                b += feature_HWF[y, x, 1]
                c += feature_HWF[y, x, 2]
                d += feature_HWF[y, x, 3]
                x += 1
            mean_KD[k, 2], mean_KD[k, 3], mean_KD[k, 4], mean_KD[k, 5] = a, b, c, d
            count_K[k] += x - begin
            mean_KD[k, 0] += (x - begin) * y
            mean_KD[k, 1] += (x - begin) * (begin + x - 1) / 2
    for k in range(len(mean_KD)):
        for d in range(D):
            mean_KD[k, d] = mean_KD[k, d] / count_K[k] if count_K[k] else np.inf


@compiled()
def _set_windows(mean_KD: Array, reach_2: Array, shape: tuple[int, int], window_K4: Array) -> None:
    """Set where centres look for pixels; nowhere where they had none."""
    for k in range(len(mean_KD)):
        for i in range(2):
            begin, end = mean_KD[k, i] - reach_2[i], mean_KD[k, i] + reach_2[i] + 1
            if mean_KD[k, i] == np.inf:
                begin = end = 0.0
            window_K4[k, 2 * i] = int(begin) if begin > 0 else 0
            window_K4[k, 2 * i + 1] = int(end) if end < shape[i] else shape[i]


@compiled()
def _listed(window_K4: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return the tiles' lists: first_T and centre_E."""
    across = -(-shape[1] // ACROSS)
    # Counts stand two places too far: added up, they are where lists begin, one place too far, and
    # while the lists are filled, where they end.
    first_T = np.zeros(-(-shape[0] // DOWN) * across + 2, np.int64)
    for k in range(len(window_K4)):
        for row in range(window_K4[k, 0] // DOWN, -(-window_K4[k, 1] // DOWN)):
            for column in range(window_K4[k, 2] // ACROSS, -(-window_K4[k, 3] // ACROSS)):
                first_T[row * across + column + 2] += 1
    for t in range(1, len(first_T)):
        first_T[t] += first_T[t - 1]
    centre_E = np.empty(first_T[-1], np.int32)
    for k in range(len(window_K4)):
        for row in range(window_K4[k, 0] // DOWN, -(-window_K4[k, 1] // DOWN)):
            for column in range(window_K4[k, 2] // ACROSS, -(-window_K4[k, 3] // ACROSS)):
                t = row * across + column + 1
                centre_E[first_T[t]] = k
                first_T[t] += 1
    return first_T[:-1], centre_E


@compiled()
def _assign(tiles: Tiles, centres: Centres, label_HW: Array, scratch: Scratch) -> bool:
    """Give each pixel its nearest centre; return whether that changed any."""
    across = -(-label_HW.shape[1] // ACROSS)
    found_A = scratch.found_A
    changed = np.int32(0)
    for t in range(len(tiles.value_TA)):
        top, left = t // across * DOWN, t % across * ACROSS
        bottom, right = min(top + DOWN, label_HW.shape[0]), min(left + ACROSS, label_HW.shape[1])
        where = (t, top, bottom, left, right)
        margin = np.float32(2 * _ERROR * tiles.extent_T[t])
        found_A[: 2 * A] = _FAR
        found_A[2 * A : 3 * A] = -1
        count = _set_factors(tiles, centres, where, scratch.factor_J8)
        _compare(tiles.value_TA, tiles.place_A, t, count, scratch)
        if _mark_doubtful(tiles.value_TA, t, found_A, margin) > 0:
            _decide(tiles, centres, where, found_A, label_HW)
        changed |= _store(found_A, label_HW[top:bottom, left:right])
    return bool(changed != 0)


@compiled()
def _store(found_A: Array, part_HW: Array) -> np.int32:
    """Set a tile's labels; return zero where none of them has changed."""
    changed = np.int32(0)
    for y in range(part_HW.shape[0]):
        for x in range(part_HW.shape[1]):
            k = np.int32(found_A[2 * A + y * ACROSS + x])
            changed |= part_HW[y, x] ^ k
            part_HW[y, x] = k
    return changed


@compiled("contract")
def _set_factors(tiles: Tiles, centres: Centres, where: Where, factor_J8: Array) -> int:
    """Set what tells a tile's pixels from the centres listed for it; return how many these are."""
    t, top, bottom, left, right = where
    begin, end = centres.first_T[t], centres.first_T[t + 1]
    for e in range(begin, end):
        k, factor_8 = centres.centre_E[e], factor_J8[e - begin]
        squares = 0.0
        for d in range(2 + tiles.num_features):
            offset = centres.scaled_KD[k, d] - tiles.middle_TD[t, d]
            squares += offset * offset
            factor_8[1 + d] = -2 * offset
        factor_8[0] = squares
        window_4 = centres.window_K4[k]
        in_rows = window_4[0] <= top and bottom <= window_4[1]
        holds = in_rows and window_4[2] <= left and right <= window_4[3]
        factor_8[1 + D] = k if holds else k + _PARTLY
    return int(end - begin)


@compiled("contract", "nnan", "nsz")
def _compare(value_TA: Array, place_A: Array, t: int, count: int, scratch: Scratch) -> None:
    """Compare a tile's pixels with the first `count` centres, two at a time."""
    factor_J8, found_A = scratch.factor_J8, scratch.found_A
    if count % 2:  # the last one beside one that is nearest to nothing
        factor_J8[count] = 0
        factor_J8[count, 0] = _FAR
    for j in range(0, count, 2):
        s0, y0, x0, a0 = factor_J8[j, 0], factor_J8[j, 1], factor_J8[j, 2], factor_J8[j, 3]
        b0, c0, d0, k0 = factor_J8[j, 4], factor_J8[j, 5], factor_J8[j, 6], factor_J8[j, 7]
        i = j + 1
        s1, y1, x1, a1 = factor_J8[i, 0], factor_J8[i, 1], factor_J8[i, 2], factor_J8[i, 3]
        b1, c1, d1, k1 = factor_J8[i, 4], factor_J8[i, 5], factor_J8[i, 6], factor_J8[i, 7]
        for i in range(A):
            y, x = place_A[i], place_A[A + i]
            a, b = value_TA[t, i], value_TA[t, A + i]
            c, d = value_TA[t, 2 * A + i], value_TA[t, 3 * A + i]
            least, second, k = found_A[i], found_A[A + i], found_A[2 * A + i]
            new = s0 + y * y0 + x * x0 + a * a0 + b * b0 + c * c0 + d * d0
            larger = new if new > least else least
            second = larger if larger < second else second
            k = k0 if new < least else k
            least = new if new < least else least
            new = s1 + y * y1 + x * x1 + a * a1 + b * b1 + c * c1 + d * d1
            larger = new if new > least else least
            second = larger if larger < second else second
            k = k1 if new < least else k
            least = new if new < least else least
            found_A[i], found_A[A + i], found_A[2 * A + i] = least, second, k


@compiled("contract", "nnan", "nsz", "reassoc")
def _mark_doubtful(value_TA: Array, t: int, found_A: Array, margin: np.float32) -> np.float32:
    """Mark and count pixels whose nearest centre may be another, or have its window elsewhere."""
    count = np.float32(0)
    for i in range(A):
        squares = value_TA[t, NUM_FEATURES * A + i]
        total = found_A[A + i] + found_A[i] + squares + squares
        gap = found_A[A + i] - found_A[i] - margin - _ERROR * total
        number = found_A[2 * A + i]
        # 2 where another may be nearer, 1 where only the window is in doubt.
        doubt = np.float32(0) if np.floor(number) == number else np.float32(1)
        doubt = doubt if gap > 0 else np.float32(2)
        found_A[3 * A + i] = doubt
        count += doubt
    return count


@compiled()
def _decide(tiles: Tiles, centres: Centres, where: Where, found_A: Array, label_HW: Array) -> None:
    """Compare those of a tile's pixels again that single precision leaves in doubt."""
    t, top, bottom, left, right = where
    for i in range(A):
        if found_A[3 * A + i] == 0:
            continue
        y, x, k = top + i // ACROSS, left + i % ACROSS, int(found_A[2 * A + i])
        if y >= bottom or x >= right:
            continue
        if found_A[3 * A + i] > 1 or not _holds(centres.window_K4, k, y, x):
            k = _nearest(tiles, centres, t, y, x)
            found_A[2 * A + i] = k if k >= 0 else label_HW[y, x]


@compiled()
def _holds(window_K4: Array, k: int, y: int, x: int) -> bool:
    in_rows: bool = window_K4[k, 0] <= y < window_K4[k, 1]
    return in_rows and window_K4[k, 2] <= x < window_K4[k, 3]


@compiled()
def _nearest(tiles: Tiles, centres: Centres, t: int, y: int, x: int) -> int:
    """Return what scikit-image's loops end with; -1 where no window holds the pixel."""
    nearest, found = np.inf, -1
    weight = 1 / tiles.step**2
    for e in range(centres.first_T[t], centres.first_T[t + 1]):
        k = centres.centre_E[e]
        if not _holds(centres.window_K4, k, y, x):
            continue
        dy, dx = centres.mean_KD[k, 0] - y, centres.mean_KD[k, 1] - x
        colours = 0.0
        for c in range(NUM_FEATURES):
            difference = tiles.feature_HWF[y, x, c] - centres.mean_KD[k, 2 + c]
            colours += difference * difference
        distance = (dy * dy + dx * dx) * weight + colours
        if distance < nearest:
            nearest, found = distance, k
    return found
