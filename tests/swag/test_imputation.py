"""ROAD's imputation beside its authors' sparse solve."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import Tensor

from swag.curves import compiled_imputation
from swag.curves.imputation import TOLERANCE, impute, solved
from swag.curves.sweeps import levels_of
from tests.support.processes import python
from tests.support.toys import images


def theirs(image_CHW: Tensor, gone_HW: Tensor) -> Tensor:
    """The authors' imputation, which solves the system directly, without noise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy functions on tensors
        return NoisyLinearImputer(noise=0)(image_CHW, 1 - gone_HW)


def masks(
    kind: str, height: int, width: int, shares: tuple[float, ...] = (0.1, 0.5, 0.9)
) -> Tensor:
    """gone_T1HW: the first shares of the pixels in some order."""
    row_H1, column_W = torch.arange(height)[:, None], torch.arange(width)
    value_HW = {
        "scattered": torch.from_numpy(np.random.default_rng(0).random((height, width))),
        "a disc": -((row_H1 - height / 2) ** 2 + (column_W - width / 2) ** 2),
        "from the edge": (row_H1 - height / 2) ** 2 + (column_W - width / 2) ** 2,
        "stripes": (column_W % 7 + row_H1 / height).double(),
    }[kind]
    place_P = value_HW.flatten().argsort(descending=True).argsort()
    gone = [(place_P < share * height * width).view(1, height, width) for share in shares]
    return torch.stack(gone).float()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["scattered", "a disc", "from the edge", "stripes"])
@pytest.mark.parametrize("size", [(32, 32), (37, 61), (5, 9), (2, 40)])
def test_equals_the_authors_solution(kind: str, size: tuple[int, int], compiled: bool) -> None:
    image_CHW = 4 * images(1, 64)[0, :, : size[0], : size[1]] - 2
    gone_T1HW = masks(kind, *size)
    found_TCHW = impute(image_CHW, gone_T1HW, compiled=compiled)
    for found_CHW, gone_1HW in zip(found_TCHW, gone_T1HW, strict=True):
        expected_CHW = theirs(image_CHW, gone_1HW[0])
        # The same residual means more where a gap is long and has hardly any edge.
        furthest, mean = (0.02, 0.005) if min(size) > 2 else (0.05, 0.01)
        torch.testing.assert_close(found_CHW, expected_CHW, atol=furthest, rtol=0)
        assert (found_CHW - expected_CHW).abs().mean() < mean
        assert torch.equal(found_CHW[:, gone_1HW[0] == 0], image_CHW[:, gone_1HW[0] == 0])


def test_one_pixel_by_hand() -> None:
    image_CHW = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 99.0, 5.0], [6.0, 7.0, 8.0]]])
    gone_T1HW = torch.zeros(1, 1, 3, 3)
    gone_T1HW[0, 0, 1, 1] = 1
    found = impute(image_CHW, gone_T1HW)[0, 0, 1, 1]
    assert float(found) == pytest.approx((2 * (2 + 4 + 5 + 7) + 1 + 3 + 6 + 8) / 12, abs=TOLERANCE)


def test_a_corner_has_three_neighbours() -> None:
    image_CHW = torch.tensor([[[99.0, 2.0], [4.0, 6.0]]])
    gone_T1HW = torch.zeros(1, 1, 2, 2)
    gone_T1HW[0, 0, 0, 0] = 1
    found = impute(image_CHW, gone_T1HW)[0, 0, 0, 0]
    assert float(found) == pytest.approx((2 * 2 + 2 * 4 + 6) / 5, abs=3 * TOLERANCE)


def test_nothing_left_is_the_mean_colour_and_nothing_gone_the_image() -> None:
    image_CHW = images(1, 16)[0]
    found_TCHW = impute(image_CHW, torch.stack([torch.ones(1, 16, 16), torch.zeros(1, 16, 16)]))
    assert not found_TCHW[0].any()
    assert torch.equal(found_TCHW[1], image_CHW)


@given(st.integers(0, 2**30), st.integers(1, 24), st.integers(1, 24), st.floats(0, 1))
def test_each_gap_is_the_mean_around_it_and_within_what_is_left(
    seed: int, height: int, width: int, share: float
) -> None:
    draws = np.random.default_rng(seed)
    image_CHW = torch.from_numpy(draws.standard_normal((2, height, width))).float()
    gone_HW = torch.from_numpy(draws.random((height, width)) < share).float()
    found_CHW = impute(image_CHW, gone_HW[None, None])[0]
    left = image_CHW[:, gone_HW == 0]
    if not left.numel():
        return
    # A mean of means lies between the values that it comes from.
    slack = 5 * TOLERANCE * height * width
    assert (found_CHW.amax((1, 2)) <= left.amax(1) + slack).all()
    assert (found_CHW.amin((1, 2)) >= left.amin(1) - slack).all()
    for row, column in gone_HW.nonzero().tolist():
        around = [
            (found_CHW[:, y, x], (2 - abs(y - row)) * (2 - abs(x - column)))
            for y in range(max(0, row - 1), min(height, row + 2))
            for x in range(max(0, column - 1), min(width, column + 2))
            if (y, x) != (row, column)
        ]
        total_C = sum((value_C * weight for value_C, weight in around), torch.zeros(2))
        mean_C = total_C / sum(weight for _, weight in around)
        torch.testing.assert_close(found_CHW[:, row, column], mean_C, atol=5 * TOLERANCE, rtol=0)


def test_other_masks_change_nothing() -> None:
    image_CHW, gone_T1HW = images(1, 32)[0], masks("a disc", 32, 32)
    together = impute(image_CHW, gone_T1HW)
    for index in range(3):
        alone = impute(image_CHW, gone_T1HW[index : index + 1])
        torch.testing.assert_close(alone[0], together[index], atol=1e-5, rtol=1e-5)


@given(
    st.integers(0, 2**30),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)),
    st.floats(0, 1),
)
def test_what_is_compiled_does_the_same(
    seed: int, shape: tuple[int, int, int, int], share: float
) -> None:
    copies, channels, height, width = shape
    draws = np.random.default_rng(seed)
    image_CHW = torch.from_numpy(draws.standard_normal((channels, height, width))).float()
    gone_THW = torch.from_numpy(draws.random((copies, height, width)) < share).float()
    levels = levels_of(gone_THW[:, None])
    for limit, iterations in ((0.0, 0), (0.0, 1), (0.5, 3)):
        torch.testing.assert_close(
            compiled_imputation.solved(image_CHW, levels, limit, iterations),
            solved(image_CHW, levels, limit, iterations),
            atol=1e-4,
            rtol=1e-4,
        )


BITS = """
import hashlib, torch
from swag.curves.imputation import impute
torch.manual_seed(0)
shares = torch.tensor([0.1, 0.5, 0.7, 0.9])[:, None, None, None]
gone_T1HW = (torch.rand(4, 1, 61, 50) < shares).float()
print(hashlib.sha256(impute(torch.rand(3, 61, 50), gone_T1HW).numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_who_compiles_has_the_bits_of_who_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    compiled, loaded = python(BITS), python(BITS)
    assert compiled.returncode == loaded.returncode == 0, compiled.stderr
    assert list(tmp_path.rglob("*.nbc"))
    assert compiled.stdout == loaded.stdout


def test_an_image_in_channels_last_is_the_same() -> None:
    image_CHW, gone_T1HW = images(1, 32)[0], masks("scattered", 32, 32)
    last_CHW = image_CHW.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(impute(last_CHW, gone_T1HW), impute(image_CHW, gone_T1HW))
