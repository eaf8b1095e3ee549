"""Superpixels against loops over the paper's equations and the libraries they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.segmentation
import torch
from lime.wrappers.scikit_image import SegmentationAlgorithm
from skimage.color import rgb2lab
from skimage.measure import label as regions
from torch import Tensor

from swag.importance import pixel_importance
from swag.protocols import Segmenter
from swag.signals import Signals
from swag.superpixels import SLIC, Felzenszwalb, Quickshift
from swag.superpixels.lab import lab_BHWC
from swag.superpixels.segmenters import Features, Implementation
from swag.superpixels.slic import cluster
from swag.types import Batch
from tests.support import superpixel_twins as twins
from tests.support.toys import batch_of, images, take, toy

FEATURES: tuple[Features, ...] = ("image", "image_gradient", "gradient")
IMPLEMENTATIONS: tuple[Implementation, ...] = ("skimage", "torch")
GRID = np.arange(45) // 9 + 5 * (np.arange(45) // 9)[:, None]
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
each_features = pytest.mark.parametrize("features", FEATURES)


def noisy(count: int, size: int) -> Tensor:
    """Smooth images with noise, which breaks ties."""
    noise = torch.from_numpy(np.random.default_rng(5).random((count, 3, size, size)))
    return (0.7 * images(count, size) + 0.3 * noise).float()


def segments(segmenter: Segmenter, image_BCHW: Tensor) -> np.ndarray:
    return segmenter(Signals(toy(), batch_of(image_BCHW), segmenter.needs)).numpy()


def assert_tiling(labels_BHW: Any) -> None:
    for labels_HW in labels_BHW:
        used = np.unique(labels_HW)
        assert used.tolist() == list(range(len(used)))
        assert regions(labels_HW, connectivity=1, background=-1).max() == len(used)


@pytest.mark.parametrize(
    ("weights", "features"),
    [
        ({"colour_weight": 10.0}, "image"),
        ({"colour_weight": 20.0, "gradient_weight": 8.0}, "image_gradient"),
        ({"gradient_weight": 8.0}, "gradient"),
        ({"gradient_weight": 40.0}, "gradient"),
    ],
)
@each_implementation
def test_equals_loops_over_the_equations(
    implementation: Implementation, features: Features, weights: Any
) -> None:
    slic = SLIC(features=features, num_segments=9, implementation=implementation, **weights)
    signals = Signals(toy(), batch_of(noisy(1, 24)), slic.needs)
    kinds, divisors = [], []
    if features != "gradient":
        kinds.append(rgb2lab(signals.batch.image_BCHW[0].permute(1, 2, 0).double().numpy()))
        divisors.append(slic.colour_weight)
    if features != "image":
        m_HW = pixel_importance(signals, "guided_gradient")[0].double().numpy()
        kinds.append((100 * (m_HW - m_HW.min()) / (m_HW.max() - m_HW.min()))[..., None])
        divisors.append(slic.gradient_weight)
    clusters_HW = twins.slic(kinds, divisors, 9)
    assert len(np.unique(clusters_HW)) == 9
    features_BHWF = slic.features_BHWF(signals)
    if implementation == "torch":
        found_HW = cluster(features_BHWF, 9, 10)[0].numpy()
    else:
        extent = float(features_BHWF.max() - features_BHWF.min())
        found_HW = skimage.segmentation.slic(
            features_BHWF[0].numpy(),
            9,
            compactness=1 / extent,
            convert2lab=False,
            start_label=0,
            enforce_connectivity=False,
        )
    np.testing.assert_array_equal(found_HW, clusters_HW)
    expected_HW = twins.connect(clusters_HW, min_size=32, max_size=192)
    np.testing.assert_array_equal(slic(signals)[0], expected_HW)


def test_image_superpixels_are_plain_slic_where_the_image_spans_0_to_1() -> None:
    image_CHW = noisy(1, 40)[0]
    image_CHW = (image_CHW - image_CHW.min()) / (image_CHW.max() - image_CHW.min())
    image_HWC = image_CHW.permute(1, 2, 0).double().numpy()
    for weight in (1.0, 10.0, 50.0):
        plain = skimage.segmentation.slic(image_HWC, 25, compactness=weight, start_label=0)
        found = segments(SLIC(num_segments=25, colour_weight=weight), image_CHW[None])
        np.testing.assert_array_equal(found[0], plain)


def test_scikit_image_alone_would_make_the_grid_of_gradients() -> None:
    slic = SLIC(features="gradient", num_segments=25)
    signals = Signals(toy(), batch_of(noisy(1, 45)), slic.needs)
    g_HW1 = slic.features_BHWF(signals)[0].numpy() * 8
    assert (g_HW1.min(), g_HW1.max()) == (0, pytest.approx(100))
    rescaled = skimage.segmentation.slic(g_HW1, 25, compactness=8, start_label=0, channel_axis=-1)
    np.testing.assert_array_equal(rescaled, GRID)
    assert (slic(signals)[0].numpy() != GRID).mean() > 0.3


@each_features
@each_implementation
def test_labels_tile_each_image_in_connected_superpixels(
    features: Features, implementation: Implementation
) -> None:
    slic = SLIC(features=features, num_segments=30, implementation=implementation)
    labels_BHW = segments(slic, noisy(3, 48))
    assert labels_BHW.dtype == np.int64
    assert labels_BHW.shape == (3, 48, 48)
    assert all(labels_HW.max() > 6 for labels_HW in labels_BHW)
    assert_tiling(labels_BHW)


@each_features
@each_implementation
def test_uniform_images_give_the_grid(features: Features, implementation: Implementation) -> None:
    slic = SLIC(features=features, num_segments=25, gradient="sobel", implementation=implementation)
    for value in (0.0, 0.4, 1.0):
        for labels_HW in segments(slic, torch.full((2, 3, 45, 45), value)):
            np.testing.assert_array_equal(labels_HW, GRID)


@each_implementation
def test_one_superpixel_and_one_iteration(implementation: Implementation) -> None:
    assert not segments(SLIC(num_segments=1, implementation=implementation), noisy(2, 20)).any()
    once = SLIC(num_segments=9, max_iterations=1, implementation=implementation)
    assert_tiling(segments(once, noisy(2, 20)))


def test_colours_of_no_weight_leave_the_gradient() -> None:
    both = SLIC(features="image_gradient", num_segments=16, colour_weight=1e9)
    gradient = SLIC(features="gradient", num_segments=16)
    np.testing.assert_array_equal(segments(both, noisy(1, 32)), segments(gradient, noisy(1, 32)))


@pytest.mark.parametrize(
    "segmenter",
    [
        *(
            SLIC(features=features, num_segments=20, gradient="sobel", implementation=name)
            for features in FEATURES
            for name in IMPLEMENTATIONS
        ),
        Quickshift(),
    ],
    ids=repr,
)
def test_an_image_has_the_same_superpixels_alone_and_in_any_batch(segmenter: Segmenter) -> None:
    batch = batch_of(noisy(4, 37))
    together = segmented(segmenter, batch)
    assert torch.equal(segmented(segmenter, take(batch, [3, 1, 0, 2])), together[[3, 1, 0, 2]])
    for index in range(4):
        assert torch.equal(segmented(segmenter, take(batch, [index])), together[index : index + 1])


def segmented(segmenter: Segmenter, batch: Batch) -> Tensor:
    return segmenter(Signals(toy(), batch))


@pytest.mark.parametrize("settings", [{}, {"kernel_size": 2.0, "max_dist": 20.0, "ratio": 0.5}])
def test_quickshift_is_limes(settings: dict[str, float]) -> None:
    image_BCHW = noisy(2, 40)
    defaults = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2, **settings}
    theirs = SegmentationAlgorithm("quickshift", random_seed=3, **defaults)
    found = segments(Quickshift(**settings), image_BCHW)
    for labels_HW, image_CHW in zip(found, image_BCHW, strict=True):
        image_HWC = image_CHW.permute(1, 2, 0).double().numpy()
        np.testing.assert_array_equal(labels_HW, theirs(image_HWC))


@pytest.mark.parametrize("settings", [{}, {"scale": 50.0, "sigma": 0.0, "min_size": 5}])
def test_felzenszwalb_is_scikit_images(settings: dict[str, Any]) -> None:
    image_BCHW = torch.cat([images(1, 40), noisy(1, 40)])
    found = segments(Felzenszwalb(**settings), image_BCHW)
    defaults = {"scale": 300, "sigma": 0.8, "min_size": 20, **settings}
    for labels_HW, image_CHW in zip(found, image_BCHW, strict=True):
        theirs = skimage.segmentation.felzenszwalb(
            image_CHW.permute(1, 2, 0).double().numpy(), **defaults
        )
        np.testing.assert_array_equal(labels_HW, theirs)
    assert len(np.unique(found[0])) > 1


def test_quickshift_numbers_have_no_gaps() -> None:
    for labels_HW in segments(Quickshift(kernel_size=1.5, max_dist=4), noisy(2, 40)):
        used = np.unique(labels_HW)
        assert len(used) > 5
        assert used.tolist() == list(range(len(used)))


def test_needs_are_the_gradients_that_are_read() -> None:
    assert SLIC().needs == Quickshift().needs == frozenset()
    assert SLIC(features="gradient").needs == {"guided_gradient"}
    assert SLIC(features="image_gradient", gradient="gradient").needs == {"gradient"}
    assert SLIC(features="gradient", gradient="noise").needs == frozenset()
    assert isinstance(SLIC(), Segmenter)
    assert isinstance(Quickshift(), Segmenter)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"num_segments": 0}, "num_segments must be at least 1, got 0"),
        ({"max_iterations": 0}, "max_iterations must be at least 1, got 0"),
        ({"colour_weight": 0.0}, "colour_weight must be positive and finite, got 0.0"),
        ({"gradient_weight": float("inf")}, "gradient_weight must be positive and finite"),
        ({"gradient_weight": float("nan")}, "gradient_weight must be positive and finite"),
        ({"features": "colour"}, "features 'colour' is unknown; choose one of image, image_grad"),
        ({"gradient": "edges"}, "gradient 'edges' is unknown; choose one of guided_gradient"),
        ({"implementation": "cv2"}, "implementation 'cv2' is unknown; choose one of skimage, tor"),
    ],
)
def test_bad_settings_of_slic_are_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SLIC(**fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"kernel_size": 0.5}, "kernel_size must be at least 1, got 0.5"),
        ({"max_dist": 0.0}, "max_dist must be positive"),
        ({"ratio": 1.5}, r"ratio must lie in \[0, 1\], got 1.5"),
    ],
)
def test_bad_settings_of_quickshift_are_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Quickshift(**fields)


def test_an_importance_that_is_not_finite_is_refused() -> None:
    signals = Signals(toy(), batch_of(noisy(1, 16)))
    signals.once(("pixel_importance", "sobel"), lambda: torch.full((1, 16, 16), float("nan")))
    with pytest.raises(ValueError, match="cannot follow 'sobel': it is not finite"):
        SLIC(features="gradient", gradient="sobel")(signals)


def test_lab_is_scikit_images() -> None:
    image_BCHW = torch.cat([noisy(2, 16), torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)])
    image_BCHW[0] *= 0.05  # the straight parts of both curves
    expected = rgb2lab(image_BCHW.permute(0, 2, 3, 1).double().numpy())
    np.testing.assert_allclose(lab_BHWC(image_BCHW), expected, rtol=1e-10, atol=1e-10)
