"""How far maps and raters agree: by hand, against scipy, and Krippendorff's own example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from swag.agreement import agreement_of_maps, krippendorff_alpha

NAN = float("nan")
_ = NAN
RATINGS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)
"""Four observers of twelve units (Krippendorff, 2011, section C)."""


def test_krippendorffs_published_example() -> None:
    assert krippendorff_alpha(RATINGS) == pytest.approx(0.815, abs=5e-4)


def literal_alpha(rating_RU: np.ndarray) -> float:
    """Pair by pair, as the definition says it."""
    rated = [[x for x in column if not np.isnan(x)] for column in rating_RU.T]
    rated = [unit for unit in rated if len(unit) > 1]
    everything = [x for unit in rated for x in unit]

    def distance(one: float, two: float) -> float:
        low, high = sorted((one, two))
        between = sum(low <= x <= high for x in everything)
        ends = (everything.count(low) + everything.count(high)) / 2
        return float((between - ends) ** 2) if low != high else 0.0

    observed = sum(
        distance(unit[i], unit[j]) / (len(unit) - 1)
        for unit in rated
        for i in range(len(unit))
        for j in range(len(unit))
        if i != j
    )
    n = len(everything)
    expected = sum(
        distance(everything[i], everything[j]) for i in range(n) for j in range(n) if i != j
    ) / (n - 1)
    return 1 - observed / expected


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, (4, 5), elements=st.sampled_from([1.0, 2.0, 2.5, 4.0, NAN])))
def test_alpha_is_its_definition(rating_RU: np.ndarray) -> None:
    found = krippendorff_alpha(rating_RU)
    kept = rating_RU[:, (~np.isnan(rating_RU)).sum(axis=0) > 1]
    if kept.size == 0 or len(np.unique(kept[~np.isnan(kept)])) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(literal_alpha(rating_RU))


def test_alpha_of_the_same_orders_is_one_and_of_any_two_about_none() -> None:
    assert krippendorff_alpha(np.tile(np.arange(6.0), (3, 1))) == pytest.approx(1)
    random = np.random.default_rng(0)
    orders = np.stack([random.permutation(8.0 + np.arange(8)) for _ in range(400)])
    assert krippendorff_alpha(orders) == pytest.approx(0, abs=0.02)
    assert np.isnan(krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2.0]])))


def test_maps_by_hand() -> None:
    maps_MHW = np.array([[[4.0, 3], [2, 1]], [[3, 4], [1, -9]], [[-4, 3], [2, 1]]])
    found = agreement_of_maps(maps_MHW, top=0.5)
    # The two largest magnitudes: pixels {0, 1}, {1, 3} and {0, 1}.
    assert found.top_MM.tolist() == [[1, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 1]]
    # Of the first and third, pixel 0 has two signs.
    assert found.sign_MM.tolist() == [[1, 0.5, 0.5], [0.5, 1, 0.5], [0.5, 0.5, 1]]
    assert found.spearman_MM[0, 1] == pytest.approx(0.8)


def test_rank_correlation_is_scipys_with_ties() -> None:
    maps_MHW = np.random.default_rng(1).integers(0, 5, size=(3, 6, 7)).astype(np.float32)
    found = agreement_of_maps(maps_MHW).spearman_MM
    expected = spearmanr(maps_MHW.reshape(3, -1), axis=1).statistic
    assert found == pytest.approx(expected)


def test_a_constant_map_agrees_with_nothing() -> None:
    maps_MHW = np.stack([np.ones((3, 3)), np.arange(9.0).reshape(3, 3)])
    found = agreement_of_maps(maps_MHW)
    for value_MM in (found.spearman_MM, found.top_MM, found.sign_MM):
        assert np.isnan(value_MM).tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(("shape", "top"), [((2, 3, 3), 0.0), ((2, 3, 3), 1.1), ((3, 3), 0.1)])
def test_what_is_no_share_or_no_maps_is_refused(shape: tuple[int, ...], top: float) -> None:
    with pytest.raises(ValueError, match=r"share of the pixels in \(0, 1\], got"):
        agreement_of_maps(np.zeros(shape), top)
