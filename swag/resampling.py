"""Rows drawn again and again with replacement, and the means over them.

Arrays are as in `swag.stats`; R are the resamples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DRAWS_AT_ONCE = 2**21  # 16 MiB of counts
_DRAWS_IN_CACHE = 2**15  # counted at once
_COLUMNS = 16  # of a matrix product


def resampled_means(value_NM: Floats, random: np.random.Generator, num_resamples: int) -> Floats:
    """Return mean_RM over as many rows, drawn with replacement, the same for every column.

    NaN where a resample drew missing values only.
    """
    return means_of_draws(value_NM, draw_counts(random, len(value_NM), num_resamples))


def means_of_draws(value_NM: Floats, counts: Iterable[Floats]) -> Floats:
    """Return mean_RM of the rows, each as often as count_RN of some resamples at a time say."""
    present_NM = ~np.isnan(value_NM)
    complete = bool(present_NM.all())
    filled_NM = value_NM if complete else np.where(present_NM, value_NM, 0.0)
    blocks, num_columns = _blocks(filled_NM), value_NM.shape[1]
    means = []
    for count_RN in counts:
        total_RM = np.hstack([count_RN @ block_NM for block_NM in blocks])[:, :num_columns]
        size_RM = len(value_NM) if complete else count_RN @ present_NM
        with np.errstate(invalid="ignore"):  # 0 / 0: this resample drew missing values only
            means.append(total_RM / size_RM)
    return np.concatenate(means)


def _blocks(value_NM: Floats) -> list[Floats]:
    """Return the columns in blocks of one width, filled up with zeros.

    A matrix product adds in an order that depends on its shape and on the processor; of products of
    one shape, a column's is the same whatever stands beside it.
    """
    num_columns = value_NM.shape[1]
    num_blocks = max(1, -(-num_columns // _COLUMNS))
    padded_NM = np.zeros((len(value_NM), num_blocks * _COLUMNS))
    padded_NM[:, :num_columns] = value_NM
    return [np.ascontiguousarray(own) for own in np.split(padded_NM, num_blocks, axis=1)]


def draw_counts(random: np.random.Generator, num_rows: int, num_resamples: int) -> Iterator[Floats]:
    """Yield how often each row is drawn, count_RN of some resamples at a time."""
    at_once = max(1, _DRAWS_IN_CACHE // num_rows)
    for chunk_RN in _buffers(num_rows, num_resamples):
        for first in range(0, len(chunk_RN), at_once):
            own_RN = chunk_RN[first : first + at_once]
            draws_RN = random.integers(num_rows, size=own_RN.shape)
            draws_RN += np.arange(len(own_RN))[:, None] * num_rows
            own_RN[:] = np.bincount(draws_RN.ravel(), minlength=own_RN.size).reshape(own_RN.shape)
        yield chunk_RN


def chunks_of(count_RN: NDArray[np.uint8]) -> Iterator[Floats]:
    """Yield stored counts as `draw_counts` does."""
    first = 0
    for chunk_RN in _buffers(count_RN.shape[1], len(count_RN)):
        chunk_RN[:] = count_RN[first : first + len(chunk_RN)]
        first += len(chunk_RN)
        yield chunk_RN


def _buffers(num_rows: int, num_resamples: int) -> Iterator[Floats]:
    """Yield the place for some resamples' counts at a time, again and again the same memory."""
    per_chunk = min(max(1, _DRAWS_AT_ONCE // num_rows), num_resamples)
    buffer_RN = np.empty((per_chunk, num_rows))
    for first in range(0, num_resamples, per_chunk):
        yield buffer_RN[: num_resamples - first]
