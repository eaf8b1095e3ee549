"""Images of one channel, of four, and of no square shape, through every explainer and metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab
from torch import Tensor, nn
from torchvision.transforms.functional import rgb_to_grayscale

import swag
from swag.catalog import EXPLAINERS, METRICS
from swag.channels import colours_BHWC, grey_B1HW, shown_3HW, with_channels
from swag.classifier import Classifier
from swag.models import ModelSpec
from swag.protocols import needs_of
from swag.signals import Signals
from tests.support.toys import (
    annotated,
    dyadic,
    images,
    is_for_transformers,
    judged,
    reduced,
    toy_cnn,
    toy_vit,
)


def cnn_of(channels: int) -> nn.Module:
    model = toy_cnn()
    model[0] = nn.Conv2d(channels, 6, 3, padding=1)
    return dyadic(model, seed=104)


def images_of(channels: int, height: int = 32, width: int = 32) -> Tensor:
    colours = torch.cat([images(2, 40), images(2, 40, seed=1)], 1)
    return colours[:, :channels, :height, :width].contiguous()


def signals_of(image_BCHW: Tensor, explainer: Any = None) -> Signals:
    channels = image_BCHW.shape[1]
    model = toy_vit(channels) if is_for_transformers(explainer) else cnn_of(channels)
    needs = needs_of(explainer)
    classifier = Classifier(model, mean=(0.5,) * channels, std=(0.25,) * channels, batch_size=8)
    return Signals(classifier, annotated(image_BCHW), needs)


SHAPES = [(1, 32, 32), (2, 32, 32), (4, 32, 32), (3, 24, 40), (3, 40, 24)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", EXPLAINERS)
def test_every_explainer_takes_other_channels_and_rectangles(
    name: str, shape: tuple[int, int, int]
) -> None:
    explainer = reduced(EXPLAINERS[name])
    saliency_BHW = explainer(signals_of(images_of(*shape), explainer))
    assert saliency_BHW.shape == (2, *shape[1:])
    assert saliency_BHW.dtype == torch.float32
    assert bool(torch.isfinite(saliency_BHW).all())
    # Quickshift finds one superpixel in such smooth images.
    assert name == "lime" or all(map_HW.unique().numel() > 1 for map_HW in saliency_BHW)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", METRICS)
def test_every_metric_takes_other_channels_and_rectangles(
    name: str, shape: tuple[int, int, int]
) -> None:
    saliency_BHW = torch.rand(2, *shape[1:])
    score = reduced(METRICS[name])(judged(signals_of(images_of(*shape))), saliency_BHW)
    assert bool(torch.isfinite(score.value_B).all())


def test_grey_superpixels_see_the_intensity() -> None:
    grey = colours_BHWC(images_of(1))
    assert np.array_equal(grey[..., 0], 100 * images_of(1)[:, 0].double().numpy())
    assert not grey[..., 1:].any()


def test_three_channels_are_cielab() -> None:
    image_BCHW = images_of(3)
    expected = rgb2lab(image_BCHW.permute(0, 2, 3, 1).double().numpy())
    assert np.array_equal(colours_BHWC(image_BCHW), expected)


@given(st.integers(0, 2**30), st.sampled_from([2, 4, 6]))
def test_more_channels_keep_their_distances_up_to_a_factor(seed: int, channels: int) -> None:
    """Of three independent channels, mixed to any number, distances are those of the three."""
    draws = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(draws.standard_normal((channels, channels)))
    sources = draws.random((25, min(3, channels))) @ basis[: min(3, channels)]
    image = torch.from_numpy((sources - sources.min()) / np.ptp(sources)).T.reshape(
        1, channels, 5, 5
    )
    found = colours_BHWC(image).reshape(25, 3)
    pixels = image.reshape(channels, 25).T.numpy()
    ours = np.linalg.norm(found[:, None] - found[None], axis=2)
    theirs = np.linalg.norm(pixels[:, None] - pixels[None], axis=2)
    assert np.ptp(found[:, 0]) == pytest.approx(100)
    np.testing.assert_allclose(ours, theirs * ours.max() / theirs.max(), atol=1e-8)


def test_a_constant_image_of_many_channels_has_no_colours() -> None:
    assert not colours_BHWC(torch.full((1, 5, 4, 4), 0.25)).any()


def test_photographs_become_what_a_model_wants() -> None:
    image_BCHW = images_of(3)
    expected = rgb_to_grayscale(image_BCHW)
    torch.testing.assert_close(with_channels(image_BCHW, 1), expected, atol=1e-3, rtol=0)
    grey = images_of(1)
    assert torch.equal(with_channels(grey, 3), torch.cat([grey] * 3, 1))
    assert with_channels(grey, 1) is grey
    with pytest.raises(
        ValueError, match="images have 3 channels, and the model's mean and std are of 4"
    ):
        with_channels(image_BCHW, 4)
    assert torch.equal(grey_B1HW(images_of(4)), images_of(4).mean(1, keepdim=True))


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 1, None]), (5, [0, 1, 2])])
def test_a_picture_shows_three(channels: int, shown: list[int | None]) -> None:
    image = np.random.default_rng(0).random((channels, 2, 2)).astype(np.float32)
    found = shown_3HW(image)
    for place, source in enumerate(shown):
        assert np.array_equal(found[place], np.zeros((2, 2)) if source is None else image[source])


def test_explain_takes_a_grey_model() -> None:
    options: dict[str, Any] = {"mean": (0.5,), "std": (0.25,), "method": "swag"}
    assert swag.explain(cnn_of(1), images_of(1), **options).shape == (2, 32, 32)
    with pytest.raises(
        ValueError, match="images have 3 channels, and the model's mean and std are of 1"
    ):
        swag.explain(cnn_of(1), images_of(3), **options)
    with pytest.raises(
        ValueError, match="images have 1 channels, and the model's mean and std are of 3"
    ):
        swag.explain(cnn_of(1), images_of(1), method="swag")
    with pytest.raises(ValueError, match="the model does not take images of 4 channels"):
        swag.explain(cnn_of(1), images_of(4), mean=(0.5,) * 4, std=(0.25,) * 4, method="swag")


@pytest.mark.parametrize(("mean", "std"), [((), ()), ((0.5,), (0.2, 0.2))])
def test_mean_and_std_belong_together(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="mean and std must have a number for each channel"):
        Classifier(toy_cnn(), mean=mean, std=std)
    if mean:
        with pytest.raises(ValueError, match="mean and std must be a number for each channel"):
            ModelSpec(architecture="resnet50", mean=mean, std=std)
