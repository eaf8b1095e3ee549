"""Copies of many images in full passes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from swag.packing import CopiesOfImage, passes, target_probability
from tests.support.perturbed import classifier, photographs, signals


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 7))
def test_passes_hold_each_copy_once_in_order_and_all_but_the_last_are_full(
    counts: list[int], size: int
) -> None:
    packed = list(passes(counts, size))
    copies = [
        (part.image, copy)
        for parts in packed
        for part in parts
        for copy in range(part.first, part.last)
    ]
    assert copies == [(image, copy) for image, count in enumerate(counts) for copy in range(count)]
    sizes = [parts[-1].rows.stop for parts in packed]
    assert all(filled == size for filled in sizes[:-1])
    assert sum(sizes) == sum(counts)
    for parts in packed:
        rows = [row for part in parts for row in range(part.rows.start, part.rows.stop)]
        assert rows == list(range(parts[-1].rows.stop))
        assert all(part.last - part.first == part.rows.stop - part.rows.start for part in parts)


def fade(copies_TCHW: Tensor, part: CopiesOfImage, image_CHW: Tensor) -> None:
    factor_T = torch.arange(part.first, part.last) / 4
    torch.mul(image_CHW, factor_T[:, None, None, None], out=copies_TCHW)


def test_each_probability_is_that_of_its_copy() -> None:
    model = classifier(batch_size=4)
    target_B = torch.tensor([3, 0, 1])
    images = photographs(24, 24, ("astronaut", "coffee", "chelsea"))
    batch_signals = signals(images, model, target_B=target_B)
    normalised_BCHW = batch_signals.normalised_BCHW
    found = target_probability(
        batch_signals, [5, 0, 2], lambda part, out: fade(out, part, normalised_BCHW[part.image])
    )
    assert [len(probability_T) for probability_T in found] == [5, 0, 2]
    for image, probability_T in enumerate(found):
        for copy, probability in enumerate(probability_T):
            x_1CHW = normalised_BCHW[image : image + 1] * (copy / 4)
            expected = model.probabilities(x_1CHW)[0, target_B[image]]
            torch.testing.assert_close(probability, expected)


def test_a_target_that_is_no_class_is_refused() -> None:
    batch_signals = signals(photographs(24, 24, ("coffee",)), target_B=torch.tensor([5]))
    with pytest.raises(ValueError, match="classes 0 to 4 of the model, got 5 to 5"):
        target_probability(batch_signals, [1], lambda part, out: None)
