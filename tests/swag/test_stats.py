from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from swag import resampling, stats
from swag.rng import generator

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def test_mean_and_counts_by_hand() -> None:
    summary = stats.summarise(np.array([[1.0, 4.0], [2.0, NAN], [6.0, 6.0]]))
    assert summary.mean_M.tolist() == [3.0, 5.0]
    assert summary.n_M.tolist() == [3, 2]
    assert summary.num_missing_M.tolist() == [0, 1]


def test_bootstrap_is_the_literal_resampling() -> None:
    value_NM = np.array([[0.1, 5.0], [0.9, 1.0], [0.4, 3.0], [0.7, 2.0]])
    low_M, high_M = stats.bootstrap_interval(value_NM, num_resamples=500, seed=3)
    draws_RN = generator(3, "", "bootstrap").integers(4, size=(500, 4))
    means_RM = np.array([value_NM[draws_N].mean(axis=0) for draws_N in draws_RN])
    np.testing.assert_allclose(low_M, np.percentile(means_RM, 2.5, axis=0), rtol=1e-12)
    np.testing.assert_allclose(high_M, np.percentile(means_RM, 97.5, axis=0), rtol=1e-12)


def test_bootstrap_leaves_missing_values_out_of_each_resample() -> None:
    value_NM = column(1.0, NAN, 4.0, 7.0, NAN)
    low_M, high_M = stats.bootstrap_interval(value_NM, num_resamples=300, seed=1)
    draws_RN = generator(1, "", "bootstrap").integers(5, size=(300, 5))
    drawn_RN = value_NM[:, 0][draws_RN]
    means_R = np.array([np.nanmean(row) for row in drawn_RN if not np.isnan(row).all()])
    np.testing.assert_allclose(low_M, [np.percentile(means_R, 2.5)], rtol=1e-12)
    np.testing.assert_allclose(high_M, [np.percentile(means_R, 97.5)], rtol=1e-12)


def test_chunks_of_resamples_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for rounding: a processor may add the last rows of a product in another order."""
    value_NM = np.random.default_rng(0).normal(size=(37, 3))
    whole = stats.bootstrap_interval(value_NM, num_resamples=200)
    monkeypatch.setattr(resampling, "_DRAWS_AT_ONCE", 37 * 7)
    found = stats.bootstrap_interval(value_NM, num_resamples=200)
    np.testing.assert_allclose(found, whole, rtol=1e-13)


def test_an_interval_does_not_depend_on_the_columns_beside_it() -> None:
    value_NM = np.random.default_rng(0).normal(size=(40, 5))
    together = np.array(stats.bootstrap_interval(value_NM))
    alone = np.array(stats.bootstrap_interval(value_NM[:, 3:4]))
    np.testing.assert_allclose(together[:, 3:4], alone, rtol=1e-12)


def test_bootstrap_covers_the_truth_about_95_times_in_100() -> None:
    value_NM = np.random.default_rng(5).gamma(4.0, size=(80, 1500))
    low_M, high_M = stats.bootstrap_interval(value_NM, num_resamples=1000)
    covered = np.mean((low_M <= 4.0) & (high_M >= 4.0))
    assert 0.925 < covered < 0.965


def test_student_interval_covers_the_truth_with_five_repeats() -> None:
    value_NM = np.random.default_rng(6).normal(2.0, 3.0, size=(5, 4000))
    low_M, high_M = stats.student_interval(value_NM)
    assert 0.94 < np.mean((low_M <= 2.0) & (high_M >= 2.0)) < 0.96


def test_student_interval_is_scipys_and_open_for_a_single_value() -> None:
    value_NM = np.array([[1.0, NAN], [2.0, 3.0], [4.0, NAN]])
    low_M, high_M = stats.student_interval(value_NM)
    expected = scipy_stats.t.interval(0.95, 2, 7 / 3, scipy_stats.sem([1.0, 2.0, 4.0]))
    np.testing.assert_allclose([low_M[0], high_M[0]], expected, rtol=1e-12)
    assert np.isnan([low_M[1], high_M[1]]).all()


@given(st.integers(0, 2**32), st.integers(1, 30))
def test_the_interval_lies_within_the_values_and_is_shifted_with_them(
    seed: int, num_rows: int
) -> None:
    value_NM = np.random.default_rng(seed).normal(size=(num_rows, 2))
    low_M, high_M = stats.bootstrap_interval(value_NM, num_resamples=100)
    assert (low_M >= value_NM.min(0) - 1e-12).all()
    assert (high_M <= value_NM.max(0) + 1e-12).all()
    shifted = stats.bootstrap_interval(value_NM + 7.0, num_resamples=100)
    np.testing.assert_allclose(shifted, [low_M + 7, high_M + 7], rtol=1e-9)


def test_a_seed_fixes_the_interval() -> None:
    value_NM = np.random.default_rng(0).normal(size=(50, 1))
    first = stats.bootstrap_interval(value_NM, seed=1)
    assert stats.bootstrap_interval(value_NM, seed=1) == first
    assert stats.bootstrap_interval(value_NM, seed=2) != first


def test_compare_uses_the_images_that_both_have() -> None:
    value_NM = np.array([[3.0], [5.0], [NAN], [8.0]])
    reference_N = np.array([1.0, 2.0, 3.0, NAN])
    comparison = stats.compare(value_NM, reference_N)
    assert comparison.difference_M.tolist() == [2.5]
    assert comparison.n_M.tolist() == [2]


def test_signed_rank_p_by_hand() -> None:
    # Five positive differences: the two extreme sign patterns of 2**5 give p = 2 / 32.
    comparison = stats.compare(column(1.1, 2.2, 3.3, 4.4, 5.5), np.zeros(5))
    np.testing.assert_allclose(comparison.p_M, [2 / 32])


def test_methods_that_never_differ_are_not_told_apart() -> None:
    comparison = stats.compare(column(1.0, 2.0, NAN), np.array([1.0, 2.0, 3.0]))
    assert comparison.p_M.tolist() == [1.0]
    assert comparison.difference_M.tolist() == [0.0]


def test_equal_pairs_and_large_samples_are_scipys() -> None:
    random = np.random.default_rng(2)
    difference_N = np.round(random.normal(0.1, 1.0, size=300), 1)
    comparison = stats.compare(difference_N[:, None], np.zeros(300))
    expected = scipy_stats.wilcoxon(difference_N, zero_method="wilcox").pvalue
    np.testing.assert_allclose(comparison.p_M, [expected])


def test_holm_by_hand() -> None:
    adjusted = stats.holm(np.array([0.04, 0.01, NAN, 0.03]))
    np.testing.assert_allclose(adjusted, [0.06, 0.03, NAN, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_helps(values: list[float]) -> None:
    p_M = np.array(values)
    adjusted_M = stats.holm(p_M)
    assert (adjusted_M >= p_M).all()
    assert (adjusted_M <= 1).all()
    assert (np.diff(adjusted_M[np.argsort(p_M, kind="stable")]) >= 0).all()


def test_a_mean_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="column 1 has 2 rows and no value"):
        stats.summarise(np.array([[1.0, NAN], [2.0, NAN]]))
    with pytest.raises(ValueError, match="column 0 has 0 rows"):
        stats.summarise(np.empty((0, 1)))
    with pytest.raises(ValueError, match="no value"):
        stats.compare(column(NAN, 1.0), np.array([1.0, NAN]))


def test_infinite_or_misshapen_values_are_errors() -> None:
    with pytest.raises(ValueError, match="finite"):
        stats.summarise(column(1.0, float("inf")))
    with pytest.raises(ValueError, match="shape"):
        stats.bootstrap_interval(np.ones(3))


@pytest.mark.parametrize(
    "differences", [[1.0, 1, 2], [-1.0, 1, 2, 2, 3], [0.5, -0.5, 0.5, 3], [1.0, 1, 1, 1, 1, 1, -1]]
)
def test_the_signed_rank_test_with_ties_is_exact(differences: list[float]) -> None:
    """Against all signs, one by one."""
    sizes = np.abs(differences)
    ranks = np.array([(sizes < s).sum() + ((sizes == s).sum() + 1) / 2 for s in sizes])
    seen = sum(r for r, d in zip(ranks, differences, strict=True) if d > 0)
    middle = ranks.sum() / 2
    sums = [np.dot(signs, ranks) for signs in product((0, 1), repeat=len(ranks))]
    extreme = [abs(each - middle) >= abs(seen - middle) for each in sums]
    assert stats.signed_rank_p(np.array([*differences, 0, np.nan])) == pytest.approx(
        np.mean(extreme)
    )


def test_the_mean_of_what_is_there_by_hand() -> None:
    value_NM = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    np.testing.assert_array_equal(stats.mean_of_present(value_NM), [2, 5, np.nan])
