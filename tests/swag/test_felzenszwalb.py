"""Felzenszwalb's regions by numba: scikit-image's labels, all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import skimage
import torch
from hypothesis import given
from hypothesis import strategies as st

from swag.explainers.regions import MIN_SIZE, SCALES, SIGMA, segmentations
from swag.signals import Signals
from swag.superpixels import Felzenszwalb, graph
from swag.superpixels.graph import regions
from swagflow.config.identity import key_of
from tests.support.toys import batch_of, images, toy


def reference(
    image_HWC: np.ndarray, scale: float, sigma: float = SIGMA, min_size: int = MIN_SIZE
) -> np.ndarray:
    labels_HW: np.ndarray = skimage.segmentation.felzenszwalb(
        image_HWC, scale=scale, sigma=sigma, min_size=min_size
    )
    return labels_HW


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photographs_get_scikit_images_labels(name: str) -> None:
    image_HWC = skimage.transform.resize(getattr(skimage.data, name)(), (224, 224)) * 2 - 1
    found = regions(image_HWC, SCALES, SIGMA, MIN_SIZE)
    assert len({labels_HW.max() for labels_HW in found}) > 3
    for labels_HW, scale in zip(found, SCALES, strict=True):
        assert labels_HW.dtype == np.int64
        np.testing.assert_array_equal(labels_HW, reference(image_HWC, scale))


@given(
    shape=st.tuples(st.integers(1, 24), st.integers(1, 24), st.integers(1, 3)),
    scales=st.lists(st.sampled_from([0.01, 1.0, 30.0, 255.0, 1e4]), min_size=1, max_size=3),
    sigma=st.sampled_from([0.0, 0.5, 2.0]),
    min_size=st.integers(1, 40),
    digits=st.sampled_from([0, 1, 16]),
    seed=st.integers(0, 10**6),
)
def test_any_image_gets_scikit_images_labels(
    *,
    shape: tuple[int, int, int],
    scales: list[float],
    sigma: float,
    min_size: int,
    digits: int,
    seed: int,
) -> None:
    # Few digits make many edges of one cost, whose order is numpy's.
    image_HWC = np.random.default_rng(seed).random(shape).round(digits)
    found = regions(image_HWC, scales, sigma, min_size)
    for labels_HW, scale in zip(found, scales, strict=True):
        np.testing.assert_array_equal(labels_HW, reference(image_HWC, scale, sigma, min_size))


@pytest.mark.parametrize(
    ("scale", "min_size", "expected"),
    [
        (0.05, 1, [0, 1, 1, 2]),  # 0.1 is more than 0.05, and than 0.05 / 2
        (0.21, 1, [0, 0, 0, 1]),  # 0.1 is less than 0.21 and 0.21 / 2; 0.9 more than 0.1 + 0.21 / 3
        (0.05, 2, [0, 0, 0, 0]),  # single pixels join their neighbours
        (2.5, 1, [0, 0, 0, 0]),  # 0.9 is less than 0.1 + 2.5 / 3
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_pixels_join_by_hand(
    scale: float, min_size: int, expected: list[int], *, compiled: bool
) -> None:
    image_HWC = np.array([[[0.0], [0.1], [0.1], [1.0]]])
    (labels_HW,) = regions(image_HWC, [scale * 255], 0, min_size, compiled=compiled)
    assert labels_HW.tolist() == [expected]


def test_labels_and_identity_are_those_of_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Felzenszwalb(scale=60)
    plain = replace(fast, compiled=False)
    assert key_of(plain) == key_of(fast)
    assert plain == fast
    batch = batch_of(images(3, 48))
    expected_BHW = plain(Signals(toy(), batch))
    assert torch.equal(fast(Signals(toy(), batch)), expected_BHW)
    assert int(expected_BHW.max()) > 1
    image_HWC = batch.image_BCHW[0].permute(1, 2, 0).numpy()
    expected = segmentations(image_HWC)
    monkeypatch.setattr(graph, "compiled_module", lambda _: None)
    assert torch.equal(fast(Signals(toy(), batch)), expected_BHW)
    np.testing.assert_array_equal(segmentations(image_HWC), expected)
