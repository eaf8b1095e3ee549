"""Statistics over superpixels, against a loop and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swag.superpixels import Statistic, pool
from tests.support import superpixel_twins as twins

STATISTICS = ("mean", "max", "median", "sum")


@given(
    labels=st.lists(st.integers(0, 5), min_size=24, max_size=24),
    values=st.lists(st.floats(-100, 100, width=32), min_size=24, max_size=24),
    statistic=st.sampled_from(STATISTICS),
)
def test_pooling_equals_a_loop(
    labels: list[int], values: list[float], statistic: Statistic
) -> None:
    labels_BHW = torch.tensor(labels).view(2, 3, 4)
    labels_BHW = torch.stack([image.unique(return_inverse=True)[1] for image in labels_BHW])
    value_BHW = torch.tensor(values).view(2, 3, 4)
    found = pool(value_BHW, labels_BHW, statistic)
    assert found.dtype == torch.float32
    for image in range(2):
        expected = twins.pool(value_BHW[image].numpy(), labels_BHW[image].numpy(), statistic)
        np.testing.assert_allclose(found[image], expected, rtol=1e-6, atol=1e-30)


def test_pooling_by_hand() -> None:
    value_BHW = torch.tensor([[[1.0, 2, 6], [4, 8, -1]], [[0, 1, 2], [3, 4, 5]]])
    labels_BHW = torch.tensor([[[0, 0, 0], [1, 1, 2]], [[0, 0, 0], [0, 0, 0]]])
    expected: dict[Statistic, list[list[float]]] = {
        "mean": [[3.0, 3, 3], [6, 6, -1]],
        "max": [[6.0, 6, 6], [8, 8, -1]],
        "median": [[2.0, 2, 2], [6, 6, -1]],
        "sum": [[9.0, 9, 9], [12, 12, -1]],
    }
    whole: dict[Statistic, float] = {"mean": 2.5, "max": 5.0, "median": 2.5, "sum": 15.0}
    for statistic, painted in expected.items():
        found = pool(value_BHW, labels_BHW, statistic)
        assert found[0].tolist() == painted
        assert found[1].unique().tolist() == [whole[statistic]]


def test_sums_are_taken_in_double_precision() -> None:
    value_BHW = torch.tensor([[[2.0**24, 1, 1, 1]]])
    labels_BHW = torch.zeros(1, 1, 4, dtype=torch.int64)
    assert pool(value_BHW, labels_BHW, "sum")[0, 0, 0] == 2**24 + 4


@pytest.mark.parametrize("statistic", STATISTICS)
def test_pooling_has_the_same_bits_alone_and_in_a_batch(statistic: Statistic) -> None:
    rng = np.random.default_rng(2)
    value_BHW = torch.from_numpy(rng.normal(size=(5, 30, 30))).float()
    labels_BHW = torch.from_numpy(rng.integers(0, 9, (5, 30, 30)))
    together = pool(value_BHW, labels_BHW, statistic)
    for image in range(5):
        alone = pool(value_BHW[image : image + 1], labels_BHW[image : image + 1], statistic)
        assert torch.equal(alone[0], together[image])


def test_bad_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="statistic 'mode' is unknown; choose one of mean, max"):
        pool(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64), "mode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"one shape, got \(1, 2, 2\) and \(1, 2, 3\)"):
        pool(torch.zeros(1, 2, 2), torch.zeros(1, 2, 3, dtype=torch.int64), "mean")


@pytest.mark.gpu
@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_gpu_pools_like_a_cpu_and_alike_each_time(statistic: Statistic) -> None:
    rng = np.random.default_rng(3)
    value_BHW = torch.from_numpy(rng.normal(size=(4, 112, 112))).float()
    labels_BHW = torch.from_numpy(rng.integers(0, 50, (4, 112, 112)))
    found = [pool(value_BHW.cuda(), labels_BHW.cuda(), statistic).cpu() for _ in range(5)]
    assert all(torch.equal(again, found[0]) for again in found)
    torch.testing.assert_close(found[0], pool(value_BHW, labels_BHW, statistic))
