"""The compiled SLIC: scikit-image's labels, all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from swag.signals import Signals
from swag.superpixels import SLIC, segmenters
from swag.superpixels.compiled import LARGEST, slic_HW
from swag.superpixels.compiled_lab import lab_HWC
from swag.superpixels.lab import lab_BHWC
from swag.superpixels.pieces import pieces_HW
from swag.superpixels.segmenters import Features
from swagflow.config.identity import key_of
from tests.support import superpixel_twins as twins
from tests.support.toys import batch_of, images, toy
from tests.swag.test_slic import photographs, random_features, reference

FEATURES: tuple[Features, ...] = ("image", "image_gradient", "gradient")


@pytest.mark.parametrize("size", [112, 224])
@pytest.mark.parametrize(("weight", "channels"), [(10.0, 3), (1.0, 3), (40.0, 1)])
def test_photographs_get_scikit_images_labels(size: int, weight: float, channels: int) -> None:
    for features_HWF in photographs(size)[..., :channels] / weight:
        labels_HW = slic_HW(features_HWF, size**2 // 167, 10)
        assert labels_HW is not None
        assert labels_HW.dtype == np.int64
        np.testing.assert_array_equal(labels_HW, reference(features_HWF, size**2 // 167))


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4)),
    num_segments=st.integers(1, 50),
    iterations=st.integers(1, 12),
    scale=st.sampled_from([0.0, 1e-9, 0.01, 0.3, 1.0, 10.0, 1e4]),
    digits=st.sampled_from([0, 1, 16]),
    seed=st.integers(0, 10**6),
)
def test_any_features_get_scikit_images_labels(
    *,
    shape: tuple[int, int, int],
    num_segments: int,
    iterations: int,
    scale: float,
    digits: int,
    seed: int,
) -> None:
    # Few digits make many ties; large scales put the nearest centre's window elsewhere.
    features_HWF = scale * random_features(*shape, seed=seed).round(digits)
    labels_HW = slic_HW(features_HWF, num_segments, iterations)
    np.testing.assert_array_equal(labels_HW, reference(features_HWF, num_segments, iterations))


def test_a_centre_without_pixels_stays_without() -> None:
    checks_HW = np.kron(np.indices((4, 4)).sum(0) % 2, np.full((10, 10), 20.0))
    labels_HW = slic_HW(checks_HW[..., None], 25, 10)
    np.testing.assert_array_equal(labels_HW, reference(checks_HW[..., None], 25))


def test_what_it_is_not_made_for_is_left_to_scikit_image() -> None:
    assert slic_HW(random_features(20, 20, 5), 9, 10) is None
    assert slic_HW(random_features(20, 20, 3, scale=LARGEST), 9, 10) is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad: float) -> None:
    features_HWF = np.zeros((8, 8, 1))
    features_HWF[0, 3] = bad
    with pytest.raises(ValueError, match="needs finite features"):
        slic_HW(features_HWF, 4, 10)


@pytest.mark.parametrize("features", FEATURES)
def test_labels_and_identity_are_those_of_scikit_image(
    features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = SLIC(features=features, num_segments=20)
    plain = replace(compiled, compiled=False)
    assert key_of(plain) == key_of(compiled)
    assert plain == compiled
    assert repr(plain) == repr(compiled)
    batch = batch_of(images(3, 48))
    expected_BHW = plain(Signals(toy(), batch, plain.needs))
    assert torch.equal(compiled(Signals(toy(), batch, compiled.needs)), expected_BHW)
    assert int(expected_BHW.max()) > 5
    monkeypatch.setattr(segmenters, "compiled_module", lambda _: None)
    assert torch.equal(compiled(Signals(toy(), batch, compiled.needs)), expected_BHW)


def test_lab_has_the_same_bits_and_rgb2labs_digits() -> None:
    image_BCHW = torch.rand(3, 3, 40, 50, generator=torch.Generator().manual_seed(3))
    image_BCHW[1] *= 0.1  # the straight parts of both curves
    image_BCHW[2, :, 0] = torch.linspace(0, 1, 50)
    found_BHWC = lab_BHWC(image_BCHW).numpy()
    for image_CHW, found_HWC in zip(image_BCHW, found_BHWC, strict=True):
        np.testing.assert_array_equal(lab_HWC(image_CHW.numpy()), found_HWC)
        expected_HWC = rgb2lab(image_CHW.permute(1, 2, 0).double().numpy())
        np.testing.assert_allclose(found_HWC, expected_HWC, rtol=0, atol=1e-12)


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    num_labels=st.integers(1, 4),
    block=st.integers(1, 4),
    min_size=st.integers(0, 12),
    beyond=st.integers(1, 30),
)
def test_pieces_equal_a_scan_with_queues(
    *,
    seed: int,
    shape: tuple[int, int],
    num_labels: int,
    block: int,
    min_size: int,
    beyond: int,
) -> None:
    labels_HW = np.random.default_rng(seed).integers(0, num_labels, shape)
    labels_HW = labels_HW.repeat(block, 0).repeat(block, 1)[: shape[0], : shape[1]]
    found_HW = pieces_HW(labels_HW.astype(np.int32), min_size, min_size + beyond)
    np.testing.assert_array_equal(found_HW, twins.connect(labels_HW, min_size, min_size + beyond))
