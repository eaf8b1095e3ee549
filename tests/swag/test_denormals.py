"""Denormal numbers are zero in every thread that computes, and afterwards what they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from swag.api import explain, score
from swag.denormals import flushed, is_flushing
from swag.parallel import each
from tests.support.toys import images


def share_kept() -> float:
    """Return the share of denormal numbers that every one of PyTorch's threads leaves alone.

    They are compared as integers, because to a thread that flushes they are equal to zero.
    """
    bits_N = torch.full((1_000_000,), 7, dtype=torch.int32)
    product_N = bits_N.view(torch.float32) * 1.0
    return float((product_N.view(torch.int32) != 0).double().mean())


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_all_threads_flush_inside_the_block_and_none_outside(threads: int) -> None:
    assert share_kept() == 1  # the threads are there before
    with flushed():
        assert is_flushing()
        assert share_kept() == 0
        with flushed():
            assert share_kept() == 0
        assert share_kept() == 0
    assert not is_flushing()
    assert share_kept() == 1


def test_a_failure_leaves_the_state_as_it_was(threads: int) -> None:
    with pytest.raises(KeyError), flushed():
        raise KeyError
    assert share_kept() == 1


def test_an_image_a_thread_flushes_in_each_of_them(threads: int) -> None:
    with flushed():
        assert each(lambda _: (is_flushing(), share_kept()), range(8)) == [(True, 0)] * 8
    assert each(lambda _: (is_flushing(), share_kept()), range(8)) == [(False, 1)] * 8


class Saturated(nn.Module):
    """A model that is sure: the softmax of all other classes is below float32's normal numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.seen: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(is_flushing())
        pooled = self.convolution(x).relu().mean((2, 3))
        return pooled * 0.1 + torch.tensor([92.0, 0.0, 0.0, 0.0])


def test_the_gradient_of_a_saturated_softmax_holds_no_denormal_numbers() -> None:
    torch.manual_seed(0)
    model = Saturated().eval()
    image_BCHW = images(2, 16)
    with torch.no_grad():
        second = model(image_BCHW).softmax(1)[0].sort().values[-2]
    assert 0 < second < torch.finfo(torch.float32).tiny
    model.seen.clear()
    map_BHW = explain(model, image_BCHW, method="vanilla_gradient")
    bits = map_BHW.abs().view(torch.int32)
    assert bool(((bits == 0) | (bits >= 2**23)).all())
    score(model, image_BCHW, torch.rand(2, 16, 16), metric="deletion")
    assert len(model.seen) > 2
    assert all(model.seen)
    assert not is_flushing()
