"""How far methods agree on the pixels that matter, and raters on an order.

Suffixes: N images, M methods, H W pixels, U what is rated, V different ratings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from swag.stats import Floats

TOP = 0.1
"""Of the pixels, those that count as important."""


@dataclass(frozen=True)
class MapAgreement:
    """How alike the maps of each two methods are, on one image; NaN with a constant map."""

    spearman_MM: Floats
    """Rank correlation over all pixels, in [-1, 1]; ties share their mean rank."""
    top_MM: Floats
    """Feature agreement (Krishna et al., 2022, section 4.1): share of the most important pixels
    that both have among theirs, in [0, 1]."""
    sign_MM: Floats
    """Sign agreement (the same): of those, the pixels on which the signs agree too."""


def agreement_of_maps(maps_MHW: NDArray[np.floating], top: float = TOP) -> MapAgreement:
    """Return the agreement of each two methods' maps of an image.

    Important are the pixels of the largest magnitude, ceil(`top` * H * W) of them; of equal ones
    those that come first, row by row, so maps with few values, as of regions, agree by that rule
    where they tie.

    Raises:
        ValueError: the share is not in (0, 1], or the maps do not have the shape (M, H, W).
    """
    if not 0 < top <= 1 or maps_MHW.ndim != 3:
        raise ValueError(
            f"agreement needs maps of shape (methods, height, width) and a share of the pixels in "
            f"(0, 1], got {maps_MHW.shape} and {top}"
        )
    flat_MP = maps_MHW.reshape(len(maps_MHW), -1).astype(np.float64)
    constant_M = flat_MP.min(axis=1) == flat_MP.max(axis=1)
    return MapAgreement(
        _without(_correlation(rankdata(flat_MP, axis=1)), constant_M),
        *(_without(shared_MM, constant_M) for shared_MM in _shared(flat_MP, top)),
    )


def _correlation(rank_MP: Floats) -> Floats:
    centred_MP = rank_MP - rank_MP.mean(axis=1, keepdims=True)
    length_M = np.sqrt((centred_MP**2).sum(axis=1))
    scale_MM = np.outer(length_M, length_M)
    found: Floats = np.divide(
        centred_MP @ centred_MP.T, scale_MM, out=np.zeros_like(scale_MM), where=scale_MM > 0
    )
    return np.clip(found, -1, 1)


def _shared(flat_MP: Floats, top: float) -> tuple[Floats, Floats]:
    """Return the shares of the top pixels that two maps share, and that have one sign as well."""
    number = int(np.ceil(top * flat_MP.shape[1]))
    top_MK = np.argsort(-np.abs(flat_MP), axis=1, kind="stable")[:, :number]
    is_top_MP = np.zeros(flat_MP.shape)
    np.put_along_axis(is_top_MP, top_MK, 1.0, axis=1)
    by_sign = [is_top_MP * (np.sign(flat_MP) == sign) for sign in (-1, 0, 1)]
    shared_MM = is_top_MP @ is_top_MP.T / number
    signed_MM = sum(own_MP @ own_MP.T for own_MP in by_sign) / number
    return shared_MM, np.asarray(signed_MM)


def _without(value_MM: Floats, constant_M: NDArray[np.bool_]) -> Floats:
    value_MM[constant_M] = np.nan
    value_MM[:, constant_M] = np.nan
    return value_MM


def krippendorff_alpha(rating_RU: Floats) -> float:
    """Return Krippendorff's alpha of ordinal ratings: 1 is agreement, 0 what chance gives.

    Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section E with the ordinal
    metric. NaN ratings are missing; what fewer than two raters rated does not count.

    Args:
        rating_RU: of each rater, on what is rated; such as the ranks of methods by each metric.

    Returns:
        NaN where nothing is rated twice, or all ratings are the same.
    """
    there_RU = ~np.isnan(rating_RU)
    kept_U = there_RU.sum(axis=0) >= 2
    if not kept_U.any():
        return float("nan")
    own_RU, known_RU = rating_RU[:, kept_U], there_RU[:, kept_U]
    values, code = np.unique(own_RU[known_RU], return_inverse=True)
    _, unit = np.nonzero(known_RU)
    num_units, num_values = int(kept_U.sum()), len(values)
    count_UV = np.bincount(unit * num_values + code, minlength=num_units * num_values)
    count_UV = count_UV.reshape(num_units, num_values).astype(np.float64)
    raters_U = count_UV.sum(axis=1)
    # Coincidences: ordered pairs of two raters' values of the same thing.
    weighted_UV = count_UV / (raters_U - 1)[:, None]
    observed_VV = weighted_UV.T @ count_UV - np.diag(weighted_UV.sum(axis=0))
    total_V = count_UV.sum(axis=0)
    expected_VV = (np.outer(total_V, total_V) - np.diag(total_V)) / (total_V.sum() - 1)
    # Squared distance of two ratings: how many lie from one to the other, half of each end.
    middle_V = np.cumsum(total_V) - total_V / 2
    distance_VV = (middle_V[:, None] - middle_V[None, :]) ** 2
    by_chance = float((expected_VV * distance_VV).sum())
    if by_chance == 0:
        return float("nan")
    return 1 - float((observed_VV * distance_VV).sum()) / by_chance
