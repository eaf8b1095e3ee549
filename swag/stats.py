"""Means of per-image values with intervals, and paired comparisons of methods on the same images.

Arrays are float64; rows are images N (or repeats), columns are methods or points of a curve M, and
NaN is a missing value. Missing values are left out and counted, never replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from swag.resampling import chunks_of, draw_counts, means_of_draws, resampled_means
from swag.rng import generator

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Interval = Callable[[Floats], tuple[Floats, Floats]]

CONFIDENCE = 0.95
_MOST_ENUMERATED = 13  # images with 2^13 choices of signs
_DRAWS_KEPT = 2**26  # 64 MiB; many columns and curves are of the same images


@dataclass(frozen=True)
class Summary:
    """Mean of each column with its 95 % interval."""

    mean_M: Floats
    low_M: Floats
    high_M: Floats
    n_M: Integers
    num_missing_M: Integers


@dataclass(frozen=True)
class Comparison:
    """Mean of each column minus the reference, over the rows that have both."""

    difference_M: Floats
    low_M: Floats
    high_M: Floats
    n_M: Integers
    p_M: Floats
    """Two-sided Wilcoxon signed-rank test; 1 where no pair differs."""


def bootstrap_interval(
    value_NM: Floats, *, num_resamples: int = 10_000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return low_M and high_M of the 95 % percentile bootstrap of the mean (Efron, 1979).

    Rows are drawn with replacement, the same rows for every column, so a column's interval does not
    depend on the others beside it.
    """
    mean_RM = resampled_means(_checked(value_NM), generator(seed, "", "bootstrap"), num_resamples)
    return percentiles(mean_RM)


@dataclass(frozen=True)
class Bootstrap:
    """`bootstrap_interval` for many columns of the same images: draws and intervals are shared.

    To draw takes longer than to take means, and depends on the number of rows only.
    """

    seed: int = 0
    num_resamples: int = 10_000
    _known: dict[bytes, tuple[float, float]] = field(default_factory=dict, repr=False)
    """Intervals, by what their columns hold."""
    _resampled: dict[bytes, Floats] = field(default_factory=dict, repr=False)
    """mean_R, likewise, of columns whose draws are not kept."""
    _drawn: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False)
    """count_RN, by the number of rows."""

    def __call__(self, value_NM: Floats) -> tuple[Floats, Floats]:
        """Return low_M and high_M, as `bootstrap_interval` does."""
        keys = _digests(value_NM)
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        if new:
            own_NM = value_NM if len(new) == len(keys) else value_NM[:, list(new.values())]
            own_NM = _checked(own_NM)
            mean_RM = means_of_draws(own_NM, self._counts(len(own_NM)))
            low_M, high_M = percentiles(mean_RM)
            ends = zip(low_M.tolist(), high_M.tolist(), strict=True)
            self._known.update(zip(new, ends, strict=True))
            if not self.keeps(len(own_NM)):
                self._resampled.update(zip(new, np.ascontiguousarray(mean_RM.T), strict=True))
        low_M, high_M = np.array([self._known[key] for key in keys]).reshape(-1, 2).T
        return low_M, high_M

    def means(self, value_NM: Floats) -> Floats:
        """Return mean_RM, as `resampled_means` does."""
        keys = _digests(value_NM)
        if self._resampled.keys() >= set(keys):
            return np.stack([self._resampled[key] for key in keys], axis=1)
        return means_of_draws(_checked(value_NM), self._counts(len(value_NM)))

    def keeps(self, num_rows: int) -> bool:
        """Tell whether draws of so many rows are few enough to be kept."""
        return num_rows * self.num_resamples <= _DRAWS_KEPT

    def prepare(self, tables: Iterable[Floats]) -> None:
        """Find the intervals of all columns that are to come and have a value; draw once for all.

        Worth it where there are more draws than are kept.
        """
        by_length: dict[int, list[Floats]] = {}
        for value_NM in tables:
            there_M = ~np.isnan(value_NM).all(axis=0)
            by_length.setdefault(len(value_NM), []).append(value_NM[:, there_M])
        while by_length:
            _, alike = by_length.popitem()
            self(np.hstack(alike))

    def _counts(self, num_rows: int) -> Iterator[Floats]:
        chunks = draw_counts(generator(self.seed, "", "bootstrap"), num_rows, self.num_resamples)
        if not self.keeps(num_rows):
            return chunks
        if num_rows not in self._drawn:
            # A byte holds a count: that of few rows is small, and of many none is drawn that often.
            count_RN = np.empty((self.num_resamples, num_rows), np.uint8)
            first = 0
            for chunk_RN in chunks:
                count_RN[first : first + len(chunk_RN)] = chunk_RN
                first += len(chunk_RN)
            self._drawn[num_rows] = count_RN
        return chunks_of(self._drawn[num_rows])


def _digests(value_NM: Floats) -> list[bytes]:
    return [sha256(column_N.tobytes()).digest() for column_N in value_NM.T]


def percentiles(value_RM: Floats) -> tuple[Floats, Floats]:
    """Return low_M and high_M between which 95 % of the resamples lie; NaNs do not count."""
    quantile = np.nanquantile if np.isnan(value_RM).any() else np.quantile
    low_M, high_M = quantile(value_RM, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low_M, high_M


def mean_of_present(value_NX: Floats) -> Floats:
    """Return the mean over the first axis of what is not NaN; NaN, unwarned, where nothing is."""
    present_NX = ~np.isnan(value_NX)
    count_X = present_NX.sum(axis=0)
    total_X = np.where(present_NX, value_NX, 0).sum(axis=0)
    mean_X: Floats = np.where(count_X, total_X / np.maximum(count_X, 1), np.nan)
    return mean_X


def student_interval(value_NM: Floats) -> tuple[Floats, Floats]:
    """Return low_M and high_M of Student's 95 % interval of the mean; NaN for a single value.

    For a handful of repeats, where the bootstrap's interval is too short.
    """
    value_NM = _checked(value_NM)
    n_M = np.count_nonzero(~np.isnan(value_NM), axis=0)
    mean_M = np.nanmean(value_NM, axis=0)
    square_M = np.nansum((value_NM - mean_M) ** 2, axis=0)
    freedom_M = np.where(n_M > 1, n_M - 1.0, np.nan)
    half_M = stats.t.ppf((1 + CONFIDENCE) / 2, freedom_M) * np.sqrt(square_M / freedom_M / n_M)
    return mean_M - half_M, mean_M + half_M


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927), which holds for few trials too."""
    found = stats.binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def summarise(value_NM: Floats, interval: Interval = bootstrap_interval) -> Summary:
    """Return each column's mean and interval.

    Raises:
        ValueError: a column has no value, so it has no mean.
    """
    value_NM = _checked(value_NM)
    low_M, high_M = interval(value_NM)
    n_M = np.count_nonzero(~np.isnan(value_NM), axis=0)
    return Summary(np.nanmean(value_NM, axis=0), low_M, high_M, n_M, len(value_NM) - n_M)


def compare(
    value_NM: Floats, reference_N: Floats, interval: Interval = bootstrap_interval
) -> Comparison:
    """Compare each column with a reference, image by image.

    Raises:
        ValueError: a column shares no image with the reference.
    """
    difference_NM = value_NM - reference_N[:, None]
    summary = summarise(difference_NM, interval)
    p_M = np.array([signed_rank_p(column) for column in difference_NM.T], dtype=np.float64)
    return Comparison(summary.mean_M, summary.low_M, summary.high_M, summary.n_M, p_M)


def holm(p_M: Floats) -> Floats:
    """Return p-values adjusted for a family of tests (Holm, 1979); NaNs are not part of it."""
    adjusted_M = np.full_like(p_M, np.nan)
    (tested,) = np.nonzero(~np.isnan(p_M))
    order = tested[np.argsort(p_M[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted_M[order] = np.minimum(1.0, np.maximum.accumulate(p_M[order] * factors))
    return adjusted_M


def signed_rank_p(difference_N: Floats) -> float:
    """Return the p-value of the two-sided Wilcoxon signed-rank test; 1 where nothing differs.

    Differences of 0 are left out. Exact up to 50 images, by the normal approximation above; where
    magnitudes tie, exact up to 13.
    """
    differing = difference_N[~np.isnan(difference_N) & (difference_N != 0)]
    if len(differing) == 0:
        return 1.0
    if len(differing) <= _MOST_ENUMERATED and len(np.unique(np.abs(differing))) < len(differing):
        return _enumerated_p(differing)
    return float(stats.wilcoxon(differing).pvalue)


def _enumerated_p(differing: Floats) -> float:
    """Return the exact p-value over all signs; scipy's takes seconds, and older ones have none."""
    num = len(differing)
    rank_N = stats.rankdata(np.abs(differing))
    positive_XN = np.arange(2**num)[:, None] >> np.arange(num) & 1
    sum_X, seen = positive_XN @ rank_N, rank_N[differing > 0].sum()
    return float(min(1.0, 2 * min(np.mean(sum_X <= seen), np.mean(sum_X >= seen))))


def _checked(value_NM: Floats) -> Floats:
    if value_NM.ndim != 2:
        raise ValueError(f"values must have shape (images, methods), got {value_NM.shape}")
    if np.isinf(value_NM).any():
        raise ValueError("values must be finite, or NaN where missing, got an infinite one")
    empty = np.flatnonzero(np.isnan(value_NM).all(axis=0))
    if len(empty):
        raise ValueError(
            f"a mean needs at least one value; column {empty[0]} has {len(value_NM)} rows "
            "and no value"
        )
    return value_NM
