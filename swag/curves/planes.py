"""What `compiled_imputation` does to one plane, which is a channel of a copy; compiled by numba.

Each is a walk over the rows of an image between the two that it is told: in others no pixel is
removed, and all that is looked for is 0. Shape suffixes as in `sweeps`.
"""

from __future__ import annotations

import numpy as np

from swag.superpixels.jit import Array, compiled

FAST = ("contract", "nsz", "reassoc")
_ONE, _TWO, _THREE = np.float32(1), np.float32(2), np.float32(3)
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


@compiled(*FAST, inline=True)
def _sum_rows(value_HW: Array, y: int, sum_W2: Array) -> None:
    """Write what each column has in a row, twice, and in those beside it; the two ends stay."""
    height = len(value_HW)
    over, under = max(y - 1, 0), min(y + 1, height - 1)
    has_over, has_under = np.float32(y > 0), np.float32(y + 1 < height)
    for x in range(value_HW.shape[1]):
        beside = has_over * value_HW[over, x] + has_under * value_HW[under, x]
        sum_W2[x + 1] = beside + _TWO * value_HW[y, x]


@compiled(*FAST, inline=True)
def surplus(
    value_HW: Array, gone_HW: Array, own_HW: Array, rows: Array, above_HW: Array
) -> np.float32:
    """As `sweeps.surplus`, written into the last array; return its product with the values."""
    width = value_HW.shape[1]
    sum_W2 = np.zeros(width + 2, np.float32)
    product = np.float32(0)
    for y in range(rows[0], rows[1]):
        _sum_rows(value_HW, y, sum_W2)
        for x in range(width):
            around = sum_W2[x] + _TWO * sum_W2[x + 1] + sum_W2[x + 2]
            above = gone_HW[y, x] * (around - own_HW[y, x] * value_HW[y, x])
            above_HW[y, x] = above
            product += above * value_HW[y, x]
    return product


@compiled(*FAST, inline=True)
def sweep(
    residual_HW: Array,
    own_and_step: tuple[Array, Array],
    rows: Array,
    mended_HW: Array,
    swept_HW: Array,
) -> None:
    """As `sweeps.mend`, written into the last array."""
    width, (own_HW, step_HW) = mended_HW.shape[1], own_and_step
    sum_W2 = np.zeros(width + 2, np.float32)
    for y in range(rows[0], rows[1]):
        _sum_rows(mended_HW, y, sum_W2)
        for x in range(width):
            around = sum_W2[x] + _TWO * sum_W2[x + 1] + sum_W2[x + 2]
            left = residual_HW[y, x] + (around - own_HW[y, x] * mended_HW[y, x])
            swept_HW[y, x] = mended_HW[y, x] + step_HW[y, x] * left


@compiled(*FAST, inline=True)
def restrict(value_HW: Array, gone_hw: Array, rows: Array, coarse_hw: Array) -> None:
    """Write sums over cells twice as wide, where these are unknown: bilinear's transpose."""
    height, width = value_HW.shape
    sum_W3, edge_W = np.zeros(width + 3, np.float32), np.zeros(width, np.float32)
    for y in range(rows[0], rows[1]):
        first_W = value_HW[2 * y - 1] if y else edge_W
        second_W = value_HW[2 * y]
        third_W = value_HW[2 * y + 1] if 2 * y + 1 < height else edge_W
        fourth_W = value_HW[2 * y + 2] if 2 * y + 2 < height else edge_W
        for x in range(width):
            sum_W3[x + 1] = first_W[x] + _THREE * (second_W[x] + third_W[x]) + fourth_W[x]
        for x in range(coarse_hw.shape[1]):
            outer, inner = sum_W3[2 * x] + sum_W3[2 * x + 3], sum_W3[2 * x + 1] + sum_W3[2 * x + 2]
            coarse_hw[y, x] = gone_hw[y, x] * (outer + _THREE * inner) / np.float32(16)


@compiled(*FAST, inline=True)
def add_between(coarse_hw: Array, gone_HW: Array, rows: Array, mended_HW: Array) -> None:
    """As `sweeps.interpolate`, written into the last array."""
    width, columns = mended_HW.shape[1], coarse_hw.shape[1]
    line_w2 = np.empty(columns + 2, np.float32)
    for y in range(rows[0], rows[1]):
        other = min(max(y // 2 + 2 * (y % 2) - 1, 0), len(coarse_hw) - 1)
        here_w, other_w = coarse_hw[y // 2], coarse_hw[other]
        for x in range(columns):
            line_w2[x + 1] = _NEAR * here_w[x] + _FAR * other_w[x]
        line_w2[0], line_w2[columns + 1] = line_w2[1], line_w2[columns]
        gone_W, mended_W = gone_HW[y], mended_HW[y]
        for x in range(width // 2):
            middle = _NEAR * line_w2[x + 1]
            mended_W[2 * x] += gone_W[2 * x] * (middle + _FAR * line_w2[x])
            mended_W[2 * x + 1] += gone_W[2 * x + 1] * (middle + _FAR * line_w2[x + 2])
        if width % 2:
            last = _NEAR * line_w2[columns] + _FAR * line_w2[columns - 1]
            mended_W[width - 1] += gone_W[width - 1] * last


@compiled(*FAST, inline=True)
def means_of_cells(value_HW: Array, gone_HW: Array, coarse_hw: Array) -> None:
    """Write the means of what is known in cells twice as wide; 0 where nothing is."""
    height, width = value_HW.shape
    columns = coarse_hw.shape[1]
    sum_W, count_W = np.zeros(2 * columns, np.float32), np.zeros(2 * columns, np.float32)
    for y in range(len(coarse_hw)):
        value_W, gone_W = value_HW[2 * y], gone_HW[2 * y]
        for x in range(width):
            sum_W[x], count_W[x] = value_W[x], _ONE - gone_W[x]
        if 2 * y + 1 < height:
            value_W, gone_W = value_HW[2 * y + 1], gone_HW[2 * y + 1]
            for x in range(width):
                sum_W[x] += value_W[x]
                count_W[x] += _ONE - gone_W[x]
        for x in range(columns):
            count = count_W[2 * x] + count_W[2 * x + 1]
            coarse_hw[y, x] = (sum_W[2 * x] + sum_W[2 * x + 1]) / max(count, _ONE)


@compiled(*FAST, inline=True)
def fill_with_mean(value_HW: Array, gone_HW: Array) -> None:
    """Write the mean of what is known, of few pixels, into removed ones, which are 0."""
    total, count = np.float32(0), np.float32(0)
    for y in range(len(value_HW)):
        for x in range(value_HW.shape[1]):
            total += value_HW[y, x]
            count += _ONE - gone_HW[y, x]
    mean = total / max(count, _ONE)
    for y in range(len(value_HW)):
        for x in range(value_HW.shape[1]):
            value_HW[y, x] += gone_HW[y, x] * mean


@compiled(*FAST, inline=True)
def hide(value_HW: Array, gone_HW: Array, shown_HW: Array) -> None:
    """Write what is not removed, and 0."""
    for y in range(len(value_HW)):
        for x in range(value_HW.shape[1]):
            shown_HW[y, x] = value_HW[y, x] * (_ONE - gone_HW[y, x])


@compiled(*FAST, inline=True)
def multiply(left_N: Array, right_N: Array, product_N: Array) -> None:
    """Write the products."""
    for n in range(len(left_N)):
        product_N[n] = left_N[n] * right_N[n]


@compiled(*FAST, inline=True)
def inner(left_N: Array, right_N: Array) -> np.float32:
    """Return the sum of products."""
    total = np.float32(0)
    for n in range(len(left_N)):
        total += left_N[n] * right_N[n]
    return total


@compiled(*FAST, inline=True)
def turn(direction_N: Array, ratio: np.float32, better_N: Array) -> None:
    """Make the direction that multiple of itself and what is better."""
    for n in range(len(direction_N)):
        direction_N[n] = ratio * direction_N[n] + better_N[n]


@compiled(*FAST, inline=True)
def advance(length: np.float32, direction_N: Array, value_N: Array) -> None:
    """Go that far in a direction."""
    for n in range(len(direction_N)):
        value_N[n] += length * direction_N[n]


@compiled(*FAST, inline=True)
def is_above(value_N: Array, limit: np.float32) -> bool:
    """Return whether any value, without its sign, is above a limit."""
    count = np.int32(0)
    for n in range(len(value_N)):
        count += np.int32(abs(value_N[n]) > limit)
    return bool(count > 0)


@compiled(inline=True)
def rows_of(mask_HW: Array) -> tuple[int, int]:
    """Return the first row that is not all 0, and the row after the last."""
    top, bottom = len(mask_HW), 0
    for y in range(len(mask_HW)):
        count = np.int32(0)
        for x in range(mask_HW.shape[1]):
            count += np.int32(mask_HW[y, x] != 0)
        if count:
            top, bottom = min(top, y), y + 1
    return top, bottom
