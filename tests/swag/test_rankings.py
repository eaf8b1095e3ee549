"""Ranks and Kendall's tau by hand, beside SciPy, and under resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata

from swag.agreement import krippendorff_alpha
from swag.rankings import _alphas, kendall, rank_methods


def test_three_methods_by_hand() -> None:
    """Two metrics agree on the first of three methods and not on the others."""
    value_NMK = np.array([[[3.0, 5.0], [2.0, 1.0], [1.0, 2.0]]] * 4)
    found = rank_methods(value_NMK)
    assert found.rank_MK.tolist() == [[1, 1], [2, 3], [3, 2]]
    assert found.first_MK.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert found.tau_KK == pytest.approx(np.array([[1, 1 / 3], [1 / 3, 1]]))
    low_KK, high_KK = found.interval_KK
    assert low_KK == pytest.approx(found.tau_KK)
    assert high_KK == pytest.approx(found.tau_KK)


def test_equal_means_share_ranks_and_first_places() -> None:
    found = rank_methods(np.array([[[1.0], [1.0], [0.0]]]))
    assert found.rank_MK[:, 0].tolist() == [1.5, 1.5, 3]
    assert found.first_MK[:, 0].tolist() == [0.5, 0.5, 0]


@given(st.integers(0, 2**30), st.integers(2, 8), st.integers(1, 5))
def test_tau_is_scipys(seed: int, methods: int, metrics: int) -> None:
    mean_MK = np.random.default_rng(seed).integers(0, 4, (methods, metrics)).astype(float)
    tau_KK = kendall(mean_MK)
    for first in range(metrics):
        for second in range(metrics):
            expected = kendalltau(mean_MK[:, first], mean_MK[:, second]).statistic
            assert tau_KK[first, second] == pytest.approx(expected, nan_ok=True)


def test_a_metric_that_tells_nothing_apart_agrees_with_none() -> None:
    found = rank_methods(np.array([[[1.0, 2.0], [1.0, 3.0]]]))
    assert np.isnan(found.tau_KK[0, 1])
    assert np.isnan(found.interval_KK[0][0, 1])


def test_missing_values_are_left_out() -> None:
    value_NMK = np.array(
        [[[1.0, 1.0], [2.0, np.nan], [3.0, 3.0]], [[1.0, 1.0], [4.0, np.nan], [np.nan, 3.0]]]
    )
    found = rank_methods(value_NMK)
    assert found.mean_MK[:, 0].tolist() == [1, 3, 3]
    assert np.isnan(found.mean_MK[1, 1])
    assert np.isnan(found.rank_MK[1, 1])
    assert found.rank_MK[[0, 2], 1].tolist() == [2, 1]
    assert found.tau_KK[0, 1] == 1, "of the one pair that both know"


def test_resamples_of_one_name_draw_the_same_images() -> None:
    value_NMK = np.random.default_rng(1).random((30, 4, 3))
    one, same, other = (rank_methods(value_NMK, draws=name) for name in ("a", "a", "b"))
    assert np.array_equal(one.tau_RKK, same.tau_RKK)
    assert not np.array_equal(one.tau_RKK, other.tau_RKK)


def test_alphas_of_resamples_are_those_of_each_by_itself() -> None:
    """Three methods by two metrics have 36 orders, so that 200 resamples repeat; two have gaps."""
    mean_RMK = np.random.default_rng(1).standard_normal((200, 3, 2))
    mean_RMK[5, 2, 1] = mean_RMK[6, :, 0] = np.nan
    rank_RMK = rankdata(-mean_RMK, axis=1, nan_policy="omit")
    alone = [krippendorff_alpha(rank_MK.T) for rank_MK in rank_RMK]
    np.testing.assert_array_equal(_alphas(rank_RMK), alone)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Two metrics of methods whose true order is known, seen on 40 images, 200 times."""
    draws = np.random.default_rng(0)
    truth_MK = np.stack([np.arange(5.0), [0.0, 1.0, 3.0, 2.0, 4.0]], 1)
    held = 0
    for trial in range(200):
        value_NMK = truth_MK + 1.2 * draws.standard_normal((40, 5, 2))
        found = rank_methods(value_NMK, seed=trial, num_resamples=200)
        low_KK, high_KK = found.interval_KK
        held += low_KK[0, 1] <= 0.8 <= high_KK[0, 1]
    assert held >= 180


@pytest.mark.parametrize("shape", [(3, 1, 2), (0, 3, 2)])
def test_too_little_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a ranking needs at least 2 methods and 1 image"):
        rank_methods(np.zeros(shape))
