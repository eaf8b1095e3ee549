"""All pairs of methods, their order and Friedman's test, by hand and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from swag.comparing import (
    compare_pairs,
    critical_difference,
    friedman,
    images_needed,
    order,
    power_of,
    resampled,
)
from swag.stats import bootstrap_interval, compare, holm

NAN = float("nan")
VALUES = np.array(
    [[0.2, 0.3, 0.9], [0.3, 0.3, 0.7], [0.1, 0.4, NAN], [0.4, 0.2, 0.8], [NAN, NAN, NAN]]
)
DEMSAR = np.array(
    [
        [4, 3, 2, 1],
        [1, 2, 3, 4],
        [4, 1, 2, 3],
        [4, 1, 3, 2],
        [4, 2, 3, 1],
        [1, 2.5, 4, 2.5],
        [3, 2, 4, 1],
        [2.5, 2.5, 4, 1],
        [4, 3, 2, 1],
        [2.5, 2.5, 2.5, 2.5],
        [4, 2.5, 1, 2.5],
        [3, 2, 4, 1],
        [4, 1, 2, 3],
        [3, 1, 4, 2],
    ]
)
"""Ranks of four classifiers on 14 data sets (Demsar, 2006, table 6)."""


def test_pairs_by_hand() -> None:
    pairs = compare_pairs(VALUES, higher_is_better=False)
    assert [*zip(pairs.first_P, pairs.second_P, strict=True)] == [(0, 1), (0, 2), (1, 2)]
    assert pairs.n_P.tolist() == [4, 3, 3]
    assert pairs.difference_P == pytest.approx([-0.05, -0.5, -1.6 / 3])
    # Lower is better: the first wins twice, ties once and loses once.
    assert pairs.better_P == pytest.approx([2.5 / 4, 1, 1])
    reverse = compare_pairs(VALUES, higher_is_better=True)
    assert reverse.better_P == pytest.approx(1 - pairs.better_P)
    assert reverse.p_P == pytest.approx(pairs.p_P)


def test_pairs_are_scipys_tests_and_the_intervals_of_single_comparisons() -> None:
    random = np.random.default_rng(0)
    value_NM = random.normal(size=(60, 4)) + np.linspace(0, 0.6, 4)
    value_NM[:3, 1] = np.nan
    pairs = compare_pairs(value_NM, higher_is_better=True, seed=5)
    for place, (i, j) in enumerate(zip(pairs.first_P, pairs.second_P, strict=True)):
        both = ~np.isnan(value_NM[:, [i, j]]).any(axis=1)
        expected = stats.wilcoxon(value_NM[both, i], value_NM[both, j])
        assert pairs.p_P[place] == pytest.approx(expected.pvalue)
        alone = compare(
            value_NM[:, [i]], value_NM[:, j], lambda value: bootstrap_interval(value, seed=5)
        )
        ends = (pairs.low_P[place], pairs.high_P[place])
        assert ends == pytest.approx((alone.low_M[0], alone.high_M[0]), rel=1e-9)
        assert pairs.better_P[place] == np.mean(value_NM[both, i] > value_NM[both, j])
    assert pairs.p_holm_P == pytest.approx(holm(pairs.p_P))


def test_methods_without_a_common_image_have_no_numbers() -> None:
    pairs = compare_pairs(np.array([[0.1, NAN], [NAN, 0.2]]), higher_is_better=False)
    assert pairs.n_P.tolist() == [0]
    for column in (pairs.difference_P, pairs.low_P, pairs.better_P, pairs.p_P, pairs.images_P):
        assert np.isnan(column).all()


def test_equal_methods_are_told_apart_by_no_number_of_images() -> None:
    pairs = compare_pairs(np.ones((8, 2)), higher_is_better=False)
    assert (pairs.p_P[0], pairs.better_P[0], pairs.images_P[0]) == (1.0, 0.5, math.inf)


@pytest.mark.parametrize("shape", [(0, 2), (3, 1), (3,)])
def test_what_cannot_be_compared_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 2 methods and 1 image, got"):
        compare_pairs(np.zeros(shape), higher_is_better=False)


def test_an_order_by_hand() -> None:
    mean_RM = np.array([[1.0, 2, 3, NAN], [2, 1, 3, NAN], [1, 1, 3, NAN], [1, 2, 3, NAN]])
    found = order(np.array([1.2, 1.5, 3, NAN]), mean_RM, higher_is_better=False)
    assert found.rank_M[:3].tolist() == [1, 2, 3]
    assert np.isnan([found.rank_M[3], found.low_M[3], found.high_M[3]]).all()
    assert found.first_M.tolist() == [2.5 / 4, 1.5 / 4, 0, 0]
    assert (found.low_M[2], found.high_M[2]) == (3, 3)
    other = order(np.array([1.2, 1.5, 3, NAN]), mean_RM, higher_is_better=True)
    assert other.rank_M[:3].tolist() == [3, 2, 1]
    assert other.first_M.tolist() == [0, 0, 1, 0]


def test_equal_means_share_their_rank() -> None:
    found = order(np.ones(3), np.ones((5, 3)), higher_is_better=True)
    assert found.rank_M.tolist() == [2, 2, 2]
    assert found.first_M == pytest.approx([1 / 3] * 3)


def test_demsars_published_example() -> None:
    found = friedman(DEMSAR, higher_is_better=False)
    assert found is not None
    assert found.rank_M == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=6e-4)
    assert found.num_blocks == 14
    # He prints 9.28 and 3.69 without the correction for ties: a row of four and three of two.
    ties = 1 - (60 + 3 * 6) / (14 * 60)
    assert found.chi_square * ties == pytest.approx(9.28, abs=0.005)
    uncorrected = found.chi_square * ties
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=0.01)
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.p_f < 0.05


@pytest.mark.parametrize(
    ("num_methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)
def test_critical_values_are_those_of_demsars_table(num_methods: int, q: float) -> None:
    num_blocks = num_methods * (num_methods + 1)
    assert critical_difference(num_methods, num_blocks) * math.sqrt(6) == pytest.approx(q, abs=1e-3)


def test_methods_within_the_critical_difference_stand_together() -> None:
    rank_NM = np.tile([[1.0, 2, 3, 4, 5]], (60, 1))
    rank_NM[::2] = [2, 1, 3, 5, 4]
    found = friedman(rank_NM, higher_is_better=False)
    assert found is not None
    assert found.critical_difference == pytest.approx(2.728 * math.sqrt(30 / 360), abs=1e-3)
    assert found.alike == [[0, 1], [3, 4]]


def test_friedmans_statistic_is_scipys_and_heeds_the_direction() -> None:
    value_NM = np.random.default_rng(1).normal(size=(20, 5))
    value_NM[4, 2] = np.nan
    complete = np.delete(value_NM, 4, axis=0)
    expected = stats.friedmanchisquare(*complete.T)
    lower, higher = (friedman(value_NM, higher_is_better=each) for each in (False, True))
    assert lower is not None
    assert higher is not None
    assert (lower.chi_square, lower.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert lower.num_blocks == 19
    assert lower.rank_M + higher.rank_M == pytest.approx([6.0] * 5)


def test_without_a_difference_friedman_says_nothing() -> None:
    found = friedman(np.ones((4, 3)), higher_is_better=True)
    assert found is not None
    assert math.isnan(found.chi_square)
    assert math.isnan(found.p_f)
    assert found.alike == [[0, 1, 2]]
    same_order = friedman(np.tile([[1.0, 2, 3]], (4, 1)), higher_is_better=True)
    assert same_order is not None
    assert (same_order.f, same_order.p_f) == (math.inf, 0.0)


@pytest.mark.parametrize("shape", [(1, 3), (5, 2)])
def test_too_few_rows_or_methods_have_no_friedman_test(shape: tuple[int, int]) -> None:
    assert (
        friedman(np.arange(math.prod(shape), dtype=float).reshape(shape), higher_is_better=True)
        is None
    )


def test_images_needed_by_hand() -> None:
    # Of the pairs (3, -1), (3, 2) and (-1, 2) all add up to more than 0.
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert images_needed(np.array([3.0, -1, 2])) == max(6, math.ceil(z**2 / 3 / 0.25))
    # Of (3, -4), (3, 2), (-4, 2) one; a - 1/2 is -1/6. Half of the images do not differ.
    expected = math.ceil(z**2 / 3 * 36) * 2
    assert images_needed(np.array([3.0, -4, 2, 0, 0, 0, NAN])) == expected
    assert math.isnan(images_needed(np.array([1.0])))
    assert images_needed(np.array([1.0, -1.0])) == math.inf


@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_so_many_images_do_tell_methods_apart(shift: float) -> None:
    """By simulation: the formula's number gives the test its power, to a few per cent."""
    random = np.random.default_rng(2)
    difference_N = random.normal(shift, 1, size=20_000)
    needed = round(images_needed(difference_N))
    samples = random.normal(shift, 1, size=(needed, 2_000))
    power = np.mean(stats.wilcoxon(samples, axis=0).pvalue < 0.05)
    assert power == pytest.approx(0.8, abs=0.04)
    assert power_of(difference_N, [needed])[0] == pytest.approx(0.8, abs=0.01)


def test_power_grows_with_the_images() -> None:
    difference_N = np.random.default_rng(3).normal(0.3, 1, size=500)
    power = power_of(difference_N, [5, 10, 50, 200, 1000])
    assert power[0] == 0
    assert (np.diff(power) > 0).all()
    assert power_of(np.zeros(20), [100])[0] == 0  # what never differs is never told apart
    assert power_of(np.array([1.0, -1.0]), [100])[0] == pytest.approx(0.05)
    assert np.isnan(power_of(np.array([NAN]), [10, 20])).all()


TABLES = arrays(np.float64, (9, 4), elements=st.integers(0, 5).map(float))


@settings(max_examples=6, deadline=None)
@given(
    value_NM=TABLES, missing=st.sets(st.tuples(st.integers(0, 8), st.integers(0, 3)), max_size=6)
)
def test_the_order_of_methods_changes_no_number(
    value_NM: np.ndarray, missing: set[tuple[int, int]]
) -> None:
    for cell in missing:
        value_NM[cell] = np.nan
    one = compare_pairs(value_NM, higher_is_better=True)
    two = compare_pairs(value_NM[:, ::-1], higher_is_better=True)
    # Pair (i, j) of the first is (3 - j, 3 - i) of the second, which counts from the other side.
    places = {pair: p for p, pair in enumerate(zip(two.first_P, two.second_P, strict=True))}
    for place, (i, j) in enumerate(zip(one.first_P, one.second_P, strict=True)):
        other = places[3 - j, 3 - i]
        assert two.difference_P[other] == pytest.approx(-one.difference_P[place], nan_ok=True)
        assert two.low_P[other] == pytest.approx(-one.high_P[place], nan_ok=True, abs=1e-9)
        assert two.better_P[other] == pytest.approx(1 - one.better_P[place], nan_ok=True)
        assert two.p_P[other] == pytest.approx(one.p_P[place], nan_ok=True)
        assert two.images_P[other] == pytest.approx(one.images_P[place], nan_ok=True)


def test_resamples_are_those_of_intervals() -> None:
    value_NM = np.random.default_rng(4).normal(size=(30, 3))
    low_M, high_M = bootstrap_interval(value_NM, seed=9)
    mean_RM = resampled(value_NM, 9)
    assert np.quantile(mean_RM, [0.025, 0.975], axis=0) == pytest.approx(np.stack([low_M, high_M]))
