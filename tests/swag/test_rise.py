"""RISE against a literal twin of its authors' code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skimage.transform import resize

from swag.classifier import Classifier
from swag.explainers.rise import RISE, Masks
from swag.rng import generator
from tests.support.perturbed import classifier, pass_sizes, photographs, signals

CPU = torch.device("cpu")


def literal_masks(rise: RISE, seed: int, size: tuple[int, int]) -> np.ndarray:
    """The authors' loop, with our generators in the place of numpy's global one."""
    cell = np.ceil(np.array(size) / rise.cells).astype(int)
    up_size = (rise.cells + 1) * cell
    shape = (rise.num_masks, rise.cells, rise.cells)
    grid = generator(seed, "", "rise_grids").random(shape) < rise.probability
    offset = generator(seed, "", "rise_offsets").integers(cell, size=(rise.num_masks, 2))
    masks = np.empty((rise.num_masks, *size))
    for i in range(rise.num_masks):
        x, y = offset[i]
        up = resize(
            grid[i].astype("float32"), up_size, order=1, mode="reflect", anti_aliasing=False
        )
        masks[i] = up[x : x + size[0], y : y + size[1]]
    return masks


def literal_saliency(
    model: Classifier, masks: np.ndarray, normalised_1CHW: torch.Tensor, probability: float
) -> torch.Tensor:
    mask_N1HW = torch.from_numpy(masks).float()[:, None]
    p_NK = model.probabilities(normalised_1CHW * mask_N1HW)
    num_masks, _, height, width = mask_N1HW.shape
    sal = p_NK.T @ mask_N1HW.view(num_masks, height * width)
    return sal.view(-1, height, width) / num_masks / probability


@pytest.mark.parametrize(
    ("size", "cells"), [((224, 224), 7), ((60, 41), 7), ((33, 50), 8), ((9, 9), 2)]
)
def test_masks_are_the_literal_ones(size: tuple[int, int], cells: int) -> None:
    rise = RISE(num_masks=20, cells=cells, probability=0.4)
    masks = Masks(rise, 5, size, CPU)
    ours = torch.cat([masks(0, 7), masks(7, 20)]).numpy()
    np.testing.assert_allclose(ours, literal_masks(rise, 5, size), rtol=0, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 24, 64])
def test_saliency_is_the_literal_one(batch_size: int) -> None:
    model = classifier(batch_size)
    rise = RISE(num_masks=50, cells=5, probability=0.3)
    batch_signals = signals(photographs(48, 40), model, seed=2)
    saliency_BHW = rise(batch_signals)
    masks = literal_masks(rise, 2, (48, 40))
    for index in range(2):
        normalised_1CHW = batch_signals.normalised_BCHW[index : index + 1]
        sal_KHW = literal_saliency(model, masks, normalised_1CHW, 0.3)
        expected = sal_KHW[batch_signals.target_B[index]]
        torch.testing.assert_close(saliency_BHW[index], expected, rtol=1e-5, atol=1e-6)


def test_masks_depend_on_the_seed_only() -> None:
    rise, longer = RISE(num_masks=10), RISE(num_masks=30)
    masks = Masks(rise, 1, (32, 32), CPU)(0, 10)
    assert torch.equal(masks, Masks(longer, 1, (32, 32), CPU)(0, 10))
    assert not torch.equal(masks, Masks(rise, 2, (32, 32), CPU)(0, 10))


def test_masks_keep_the_given_share_of_an_image() -> None:
    mean_HW = Masks(RISE(num_masks=2000, probability=0.3), 0, (28, 35), CPU)(0, 2000).mean(0)
    assert float((mean_HW - 0.3).abs().max()) < 0.05


def test_masked_copies_of_all_images_fill_the_passes() -> None:
    model = classifier(batch_size=32)
    batch_signals = signals(photographs(24, 24, ("astronaut", "coffee", "chelsea")), model)
    assert batch_signals.target_B.shape == (3,)
    pass_sizes(model).clear()
    RISE(num_masks=72)(batch_signals)
    assert pass_sizes(model) == [32] * 6 + [24]


def test_an_image_is_explained_alike_alone_and_in_company() -> None:
    images = photographs(40, 40, ("astronaut", "coffee", "chelsea"))
    rise = RISE(num_masks=70)
    together = rise(signals(images, classifier(32)))
    for index in range(3):
        alone = rise(signals(images[index : index + 1], classifier(5)))
        torch.testing.assert_close(alone[0], together[index])


def test_inputs_and_random_state_are_left_alone() -> None:
    images = torch.full((1, 3, 16, 20), 0.5)
    before, state = images.clone(), torch.get_rng_state()
    saliency = RISE(num_masks=10)(signals(images))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert saliency.dtype == torch.float32
    assert saliency.isfinite().all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_masks": 0}, "num_masks must be at least 1, got 0"),
        ({"cells": 1}, "cells must be at least 2, got 1"),
        ({"probability": 0.0}, r"probability must be in \(0, 1\], got 0.0"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RISE(**fields)
