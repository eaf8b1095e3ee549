"""Which methods differ: all pairs of them on the same images, their order, and what that takes.

Suffixes: N images, M methods, P pairs of methods, R resamples of the images. Values are float64,
NaN where missing. Differences are of the values as they are; "better" heeds `higher_is_better`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from swag.resampling import resampled_means
from swag.rng import generator
from swag.stats import Floats, Integers, holm, percentiles, signed_rank_p

ALPHA = 0.05
POWER = 0.8
NUM_RESAMPLES = 10_000
_LEAST = 6  # images: of fewer, no signed-rank test has p < 0.05
_PAIRS_AT_ONCE = 64


@dataclass(frozen=True)
class Pairs:
    """Each two methods on the images that have a value of both; NaN where there is none."""

    first_P: Integers
    second_P: Integers
    """Places of the methods; the first one's is the smaller."""
    n_P: Integers
    difference_P: Floats
    """Mean over images of the first one's value minus the second one's."""
    low_P: Floats
    high_P: Floats
    """Ends of its 95 % percentile bootstrap interval."""
    better_P: Floats
    """Share of the images on which the first is better, ties counting half: the common-language
    effect size of paired values (McGraw and Wong, 1992; Vargha and Delaney, 2000). In [0, 1]."""
    p_P: Floats
    """Two-sided Wilcoxon signed-rank test; 1 where no image differs."""
    p_holm_P: Floats
    """The same, adjusted for all pairs (Holm, 1979)."""
    images_P: Floats
    """Images with which that test would have p < 0.05 in 80 % of the samples (`images_needed`)."""


@dataclass(frozen=True)
class Order:
    """The methods in the order of their means, and how firm it is."""

    mean_M: Floats
    rank_M: Floats
    """Of the mean, from 1, the best; equal means share their ranks' mean. NaN without a value."""
    low_M: Floats
    high_M: Floats
    """Between which the rank of the mean lies in 95 % of the resamples."""
    first_M: Floats
    """Share of the resamples in which the mean is the best; tied ones share it."""


@dataclass(frozen=True)
class Friedman:
    """Do the methods differ at all, and which mean ranks are further apart than chance explains?

    A block is an image, or a data set with a model; only blocks with a value of every method count.
    """

    rank_M: Floats
    """Mean over blocks of the rank within a block, from 1, the best; NaN for those left out."""
    num_blocks: int
    chi_square: float
    """Friedman's statistic (1937), corrected for ties (Conover, 1999)."""
    p_value: float
    f: float
    """Iman and Davenport's statistic (1980) of it, which is less conservative; inf where every
    block has the same order. NaN, as are the others, where no block tells two methods apart."""
    p_f: float
    critical_difference: float
    """Nemenyi's: mean ranks this far apart differ at 0.05 (Demsar, 2006, section 3.2.2)."""

    @property
    def alike(self) -> list[list[int]]:
        """The longest runs of methods, by mean rank, of which no two are told apart."""
        return _alike(self.rank_M, self.critical_difference)


def compare_pairs(
    value_NM: Floats,
    *,
    higher_is_better: bool,
    seed: int = 0,
    mean_RM: Floats | None = None,
) -> Pairs:
    """Compare each two methods, image by image.

    Args:
        value_NM: what a metric says of each method on each image.
        higher_is_better: whether more is better.
        seed: of the resamples, which are those of `swag.stats.bootstrap_interval`.
        mean_RM: `resampled(value_NM, seed)`, where somebody has it already.

    Raises:
        ValueError: fewer than two methods, or no image.
    """
    _check(value_NM)
    first_P, second_P = np.triu_indices(value_NM.shape[1], 1)
    mean_RM = resampled(value_NM, seed) if mean_RM is None else mean_RM
    found = [
        _pair(value_NM[:, first] - value_NM[:, second])
        for first, second in zip(first_P, second_P, strict=True)
    ]
    n_P, difference_P, above_P, p_P, images_P = (
        np.array(each) for each in zip(*found, strict=True)
    )
    low_P, high_P = _intervals(value_NM, mean_RM, first_P, second_P, seed)
    better_P = above_P if higher_is_better else 1 - above_P
    return Pairs(
        first_P,
        second_P,
        n_P,
        difference_P,
        low_P,
        high_P,
        better_P,
        p_P,
        holm(p_P),
        images_P,
    )


def share_above(difference_N: Floats) -> float:
    """Return the share of differences, none of them NaN, that are above 0; zeros count half."""
    return float((np.sign(difference_N) + 1).mean() / 2)


def resampled(value_NM: Floats, seed: int = 0) -> Floats:
    """Return mean_RM of the methods over 10,000 resamples of the images; NaN where one has none."""
    return resampled_means(value_NM, generator(seed, "", "bootstrap"), NUM_RESAMPLES)


def order(mean_M: Floats, mean_RM: Floats, *, higher_is_better: bool) -> Order:
    """Return the order of means, and between which ranks each lies over resamples of them."""
    sign = -1.0 if higher_is_better else 1.0
    there_M = ~np.isnan(mean_M)
    # A resample without a value of a method ranks it last.
    rank_RM = stats.rankdata(np.nan_to_num(sign * mean_RM[:, there_M], nan=np.inf), axis=1)
    rank_M, low_M, high_M = (np.full(len(mean_M), np.nan) for _ in range(3))
    first_M = np.zeros(len(mean_M))
    rank_M[there_M] = stats.rankdata(sign * mean_M[there_M])
    low_M[there_M], high_M[there_M] = percentiles(rank_RM)
    best_RM = rank_RM == rank_RM.min(axis=1, keepdims=True)
    first_M[there_M] = (best_RM / best_RM.sum(axis=1, keepdims=True)).mean(axis=0)
    return Order(mean_M, rank_M, low_M, high_M, first_M)


def friedman(value_NM: Floats, *, higher_is_better: bool) -> Friedman | None:
    """Return Friedman's test over the rows; None for fewer than three methods or two rows."""
    (there,) = np.nonzero(~np.isnan(value_NM).all(axis=0))
    block_NM = value_NM[:, there]
    block_NM = block_NM[~np.isnan(block_NM).any(axis=1)]
    num_blocks, num_methods = block_NM.shape
    if num_methods < 3 or num_blocks < 2:
        return None
    rank_NM = stats.rankdata(-block_NM if higher_is_better else block_NM, axis=1)
    rank_M = np.full(value_NM.shape[1], np.nan)
    rank_M[there] = rank_NM.mean(axis=0)
    chi_square = p_value = f = p_f = math.nan
    if (rank_NM != rank_NM[:, :1]).any():
        found = stats.friedmanchisquare(*rank_NM.T)
        chi_square, p_value = float(found.statistic), float(found.pvalue)
        rest = num_blocks * (num_methods - 1) - chi_square
        f = (num_blocks - 1) * chi_square / rest if rest > 1e-9 * chi_square else math.inf
        p_f = float(stats.f.sf(f, num_methods - 1, (num_methods - 1) * (num_blocks - 1)))
    critical = critical_difference(num_methods, num_blocks)
    return Friedman(rank_M, num_blocks, chi_square, p_value, f, p_f, critical)


def critical_difference(num_methods: int, num_blocks: int) -> float:
    """Return q sqrt(M (M + 1) / (6 N)), q being of the studentised range over sqrt(2), at 0.05."""
    q = float(stats.studentized_range.ppf(1 - ALPHA, num_methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(num_methods * (num_methods + 1) / (6 * num_blocks))


def images_needed(difference_N: Floats, power: float = POWER) -> float:
    """Return how many images tell two methods apart, going by their paired differences.

    With that many, a two-sided signed-rank test has p < 0.05 in a share `power` of the samples, as
    far as these images are like all others. By formula (Noether, 1987, section 4): (z of 0.975 + z
    of `power`)^2 / (3 (a - 1/2)^2), a being the chance that two images' differences add up to more
    than 0; images without a difference, which the test leaves out, come on top. inf where the
    differences have no direction, NaN for fewer than two of them.
    """
    lean, share = _lean(difference_N[~np.isnan(difference_N)])
    if math.isnan(lean) or lean == 0 or share == 0:
        return math.nan if math.isnan(lean) else math.inf
    z = stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(power)
    return float(max(_LEAST, math.ceil((z / lean) ** 2 / 3)) / share)


def power_of(difference_N: Floats, sizes: Sequence[int]) -> Floats:
    """Return the chance that so many images tell two methods apart: `images_needed` the other way.

    NaN for fewer than two differences.
    """
    lean, share = _lean(difference_N[~np.isnan(difference_N)])
    size_S = np.asarray(sizes, dtype=np.float64) * share
    shift_S = np.sqrt(3 * size_S) * abs(lean)
    z = stats.norm.ppf(1 - ALPHA / 2)
    power_S: Floats = stats.norm.cdf(shift_S - z) + stats.norm.cdf(-shift_S - z)
    return np.where(size_S < _LEAST, 0.0, power_S) if not math.isnan(lean) else size_S * np.nan


def _check(value_NM: Floats) -> None:
    if value_NM.ndim != 2 or value_NM.shape[1] < 2 or len(value_NM) < 1:
        raise ValueError(
            "a comparison needs values of shape (images, methods) with at least 2 methods and 1 "
            f"image, got {value_NM.shape}"
        )


def _pair(difference_N: Floats) -> tuple[int, float, float, float, float]:
    """Return number, mean, share above 0, p-value and images needed of paired differences."""
    own_N = difference_N[~np.isnan(difference_N)]
    if len(own_N) == 0:
        return 0, math.nan, math.nan, math.nan, math.nan
    above = share_above(own_N)
    return len(own_N), float(own_N.mean()), above, signed_rank_p(own_N), images_needed(own_N)


def _lean(own_N: Floats) -> tuple[float, float]:
    """Return a - 1/2 of the differences that are not 0, and their share; NaN for fewer than two.

    The positive ranks of |d| add up to the number of pairs i <= j with a positive sum.
    """
    differing = own_N[own_N != 0]
    num = len(differing)
    share = num / max(len(own_N), 1)
    if num < 2:
        return (0.0 if len(own_N) > 1 and num == 0 else math.nan), share
    positive = differing > 0
    total = stats.rankdata(np.abs(differing))[positive].sum() - np.count_nonzero(positive)
    return float(total / (num * (num - 1) / 2)) - 0.5, share


def _intervals(
    value_NM: Floats, mean_RM: Floats, first_P: Integers, second_P: Integers, seed: int
) -> tuple[Floats, Floats]:
    """Return the ends of the mean differences' intervals.

    Where two methods miss the same images, the difference of their resampled means is the resampled
    mean of their differences, and nothing is drawn for it.
    """
    present_NM = ~np.isnan(value_NM)
    same_MM = _equal_columns(present_NM)
    low_P, high_P = np.full(len(first_P), np.nan), np.full(len(first_P), np.nan)
    shared_P = np.array(
        [
            bool((present_NM[:, i] & present_NM[:, j]).any())
            for i, j in zip(first_P, second_P, strict=True)
        ]
    )
    same_P = same_MM[first_P, second_P]
    for start in range(0, len(first_P), _PAIRS_AT_ONCE):
        block = np.arange(start, min(start + _PAIRS_AT_ONCE, len(first_P)))
        ready, other = (
            block[same_P[block] & shared_P[block]],
            block[~same_P[block] & shared_P[block]],
        )
        if len(ready):
            difference_RP = mean_RM[:, first_P[ready]] - mean_RM[:, second_P[ready]]
            low_P[ready], high_P[ready] = percentiles(difference_RP)
        if len(other):
            difference_NP = value_NM[:, first_P[other]] - value_NM[:, second_P[other]]
            low_P[other], high_P[other] = percentiles(resampled(difference_NP, seed))
    return low_P, high_P


def _equal_columns(present_NM: np.ndarray) -> np.ndarray:
    """Return which columns are equal, as a square of truths."""
    _, kind_M = np.unique(present_NM, axis=1, return_inverse=True)
    kind_M = kind_M.ravel()
    equal_MM: np.ndarray = kind_M[:, None] == kind_M[None, :]
    return equal_MM


def _alike(rank_M: Floats, critical: float) -> list[list[int]]:
    order_M = [int(place) for place in np.argsort(rank_M, kind="stable") if rank_M[place] > 0]
    runs: list[list[int]] = []
    end = 0
    for start, place in enumerate(order_M):
        reached = [other for other in order_M[start:] if rank_M[other] - rank_M[place] < critical]
        if start + len(reached) > end and len(reached) > 1:
            runs.append(reached)
        end = max(end, start + len(reached))
    return runs
