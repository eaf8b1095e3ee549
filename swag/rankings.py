"""Do several metrics rank the methods alike? Ranks of means, and Kendall's tau with intervals.

Suffixes: N images, M methods, K metrics, R resamples of images, P pairs of methods. Values are
float64, NaN where missing, and signed so that higher is better for every metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from swag.agreement import krippendorff_alpha
from swag.resampling import resampled_means
from swag.rng import generator
from swag.stats import Floats, mean_of_present, percentiles

NUM_RESAMPLES = 2_000


@dataclass(frozen=True)
class Ranking:
    """The methods in the order of each metric's means, over the images of one data set and model.

    A method without any value of a metric has no rank there, and pairs with it do not count.
    """

    mean_MK: Floats
    rank_MK: Floats
    """From 1, the best; equal means share the mean of their ranks."""
    first_MK: Floats
    """Share of the resamples in which a method is alone at the top; tied ones share it."""
    tau_KK: Floats
    """Kendall's tau-b of two metrics' means: 1 for the same order, -1 for the reverse, NaN where a
    metric tells no two methods apart."""
    tau_RKK: Floats
    """The same of each resample."""
    alpha: float
    """Krippendorff's alpha of the metrics' ranks: 1 where all rank alike, 0 for any orders."""
    alpha_R: Floats
    """The same of each resample."""

    @property
    def alpha_interval(self) -> tuple[float, float]:
        """The ends of the 95 % percentile bootstrap interval of `alpha`; NaN where it has none."""
        if np.isnan(self.alpha_R).all():
            return float("nan"), float("nan")
        low, high = percentiles(self.alpha_R)
        return float(low), float(high)

    @property
    def interval_KK(self) -> tuple[Floats, Floats]:
        """The ends of the 95 % percentile bootstrap interval of `tau_KK`."""
        return tau_interval(self.tau_RKK)


def tau_interval(tau_RKK: Floats) -> tuple[Floats, Floats]:
    """Return low_KK and high_KK of resampled coefficients; NaN where no resample has one."""
    shape = tau_RKK.shape[1:]
    flat = tau_RKK.reshape(len(tau_RKK), -1)
    low, high = np.full(flat.shape[1], np.nan), np.full(flat.shape[1], np.nan)
    there = ~np.isnan(flat).all(0)
    low[there], high[there] = percentiles(flat[:, there])
    return low.reshape(shape), high.reshape(shape)


def rank_methods(
    value_NMK: Floats, *, draws: str = "", seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Ranking:
    """Return the ranking of the methods by each metric.

    Args:
        value_NMK: what each metric says of each method on each image, higher being better.
        draws: resamples of the same name and number of images draw the same ones, as models that
            are judged on the same data set should.
        seed: of the resamples.

    Raises:
        ValueError: fewer than two methods, or no image.
    """
    num_images, num_methods, num_metrics = value_NMK.shape
    if num_methods < 2 or num_images < 1:
        raise ValueError(
            f"a ranking needs at least 2 methods and 1 image, got {num_methods} and {num_images}"
        )
    flat = value_NMK.reshape(num_images, -1)
    mean_MK = mean_of_present(value_NMK)
    random = generator(seed, draws, "ranking")
    mean_R = resampled_means(flat, random, num_resamples)
    mean_RMK = mean_R.reshape(-1, num_methods, num_metrics)
    rank_MK = rankdata(-mean_MK, axis=0, nan_policy="omit")
    alpha_R = _alphas(rankdata(-mean_RMK, axis=1, nan_policy="omit"))
    tau_KK, tau_RKK = kendall(mean_MK), kendall(mean_RMK)
    alpha = krippendorff_alpha(rank_MK.T)
    return Ranking(mean_MK, rank_MK, _firsts(mean_RMK), tau_KK, tau_RKK, alpha, alpha_R)


def _alphas(rank_RMK: Floats) -> Floats:
    """Return the agreement of the metrics' ranks, each metric being a rater of the methods.

    Many resamples have the same ranks, so each is computed once.
    """
    flat = np.nan_to_num(rank_RMK.reshape(len(rank_RMK), -1), nan=0)  # ranks begin with 1
    _, first, inverse = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    found: Floats = np.array([krippendorff_alpha(rank_MK.T) for rank_MK in rank_RMK[first]])
    return found[inverse]


def kendall(mean_XMK: Floats) -> Floats:
    """Return Kendall's tau-b between each two columns, (..., K, K) of means (..., M, K)."""
    first, second = np.triu_indices(mean_XMK.shape[-2], 1)
    sign_XPK = np.sign(mean_XMK[..., first, :] - mean_XMK[..., second, :])
    known_XPK = ~np.isnan(sign_XPK)
    sign_XPK = np.where(known_XPK, sign_XPK, 0.0)
    square_XPK = sign_XPK**2
    agreed = np.swapaxes(sign_XPK, -1, -2) @ sign_XPK
    # Pairs that one metric ties, of those that both know.
    told = np.swapaxes(square_XPK, -1, -2) @ known_XPK
    scale = np.sqrt(told * np.swapaxes(told, -1, -2))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: Floats = np.where(scale > 0, agreed / scale, np.nan)
    return tau


def _firsts(mean_RMK: Floats) -> Floats:
    """Return the share of resamples in which each method has the best mean."""
    filled_RMK = np.where(np.isnan(mean_RMK), -np.inf, mean_RMK)
    best_RMK = filled_RMK == filled_RMK.max(1, keepdims=True)
    best_RMK &= ~np.isnan(mean_RMK)
    number_R1K = np.maximum(best_RMK.sum(1, keepdims=True), 1)
    firsts: Floats = (best_RMK / number_R1K).mean(0)
    return firsts
