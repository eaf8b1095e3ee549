"""Pixel methods over superpixels: what is pooled, shared, declared and configured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from swag.catalog import EXPLAINERS
from swag.explainers import (
    SWAG,
    IntegratedGradients,
    Pooled,
    SmoothGrad,
    VanillaGradient,
)
from swag.protocols import passes_of
from swag.signals import Signals
from swag.superpixels import SLIC, Felzenszwalb, Pixel, Quickshift, Squares, pool
from swagflow.config.fields import configured
from swagflow.config.identity import describe
from swagflow.errors import UserError
from tests.support.perturbed import classifier, pass_sizes, photographs, signals
from tests.support.toys import batch_of, images, toy

SEGMENTERS: list[Any] = [
    SLIC(num_segments=12),
    Quickshift(kernel_size=2, max_dist=8),
    Felzenszwalb(),
    Squares(side=5),
]


@pytest.mark.parametrize("superpixels", SEGMENTERS, ids=repr)
@pytest.mark.parametrize("statistic", ["mean", "max", "median", "sum"])
def test_is_the_statistic_of_the_pixel_methods_map(superpixels: Any, statistic: Any) -> None:
    ours = Signals(toy(), batch_of(images(2)))
    pixels = IntegratedGradients(steps=3)
    found = Pooled(pixels=pixels, superpixels=superpixels, statistic=statistic)(ours)
    assert torch.equal(found, pool(pixels(ours), superpixels(ours), statistic))


def test_of_single_pixels_it_is_the_pixel_method() -> None:
    ours = Signals(toy(), batch_of(images(2)))
    found = Pooled(pixels=VanillaGradient(), superpixels=Pixel())(ours)
    assert torch.equal(found, VanillaGradient()(ours))


@pytest.mark.parametrize("features", ["image", "image_gradient"])
def test_of_a_gradient_it_is_swag(features: Any) -> None:
    superpixels = SLIC(num_segments=12, features=features, gradient="gradient")
    ours = Signals(toy(), batch_of(images(2)))
    found = Pooled(pixels=VanillaGradient(), superpixels=superpixels)(ours)
    assert torch.equal(found, SWAG(weights="gradient", superpixels=superpixels)(ours))


def test_all_that_pool_a_map_share_it() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    pixels = EXPLAINERS["occlusion"]
    assert pixels.needs == frozenset()
    for superpixels in SEGMENTERS:
        Pooled(pixels=pixels, superpixels=superpixels)(ours)
    assert sum(pass_sizes(model)) == 2 * 64


def test_declares_the_passes_of_both_parts() -> None:
    smooth = SmoothGrad(num_samples=7)
    assert passes_of(Pooled(pixels=smooth)) == (7, 7)
    assert passes_of(Pooled(pixels=EXPLAINERS["occlusion"])) == (64, 0)
    follows = SLIC(features="image_gradient", gradient="integrated_gradient")
    assert passes_of(Pooled(pixels=smooth, superpixels=follows)) == (57, 57)
    guided = SLIC(features="gradient", gradient="guided_gradient")
    mixed = Pooled(pixels=VanillaGradient(), superpixels=guided)
    assert mixed.needs == {"gradient", "guided_gradient"}


def test_both_parts_are_named_in_a_configuration() -> None:
    fields = {"pixels": "smooth_grad", "superpixels": {"type": "squares", "side": 4}}
    found = configured(Pooled(), fields, "explainers.a")
    assert found == Pooled(pixels=SmoothGrad(), superpixels=Squares(side=4))
    fields = {"pixels": {"type": "integrated_gradients", "steps": 5, "baseline": "blur"}}
    nested: Any = configured(Pooled(), fields, "explainers.a").pixels
    assert (nested.steps, type(nested.baseline).__name__) == (5, "Blur")
    # What an explainer of the same class has set stays.
    kept = configured(Pooled(pixels=replace(nested, steps=9)), {"pixels": {"rule": "left"}}, "a")
    assert kept.pixels == replace(nested, steps=9, rule="left")
    with pytest.raises(UserError, match=r"a\.pixels\.type: explainer 'smooth_gard' is unknown"):
        configured(Pooled(), {"pixels": "smooth_gard"}, "a")
    with pytest.raises(UserError, match=r"unknown key 'a\.pixels\.samples'"):
        configured(Pooled(), {"pixels": {"type": "smooth_grad", "samples": 3}}, "a")


def test_is_identified_by_both_parts_and_the_pixel_methods_version() -> None:
    described = describe(Pooled(pixels=VanillaGradient(), superpixels=Squares(side=4)))
    assert described == {
        "class": "Pooled",
        "version": 1,
        "pixels": {"class": "VanillaGradient", "version": 1},
        "superpixels": {"class": "Squares", "side": 4},
        "statistic": "mean",
    }


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="statistic 'mode' is unknown"):
        Pooled(statistic="mode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scale must be positive and finite, got 0"):
        Felzenszwalb(scale=0)
    with pytest.raises(ValueError, match="sigma must be at least 0 and finite, got -1"):
        Felzenszwalb(sigma=-1)
    with pytest.raises(ValueError, match="min_size must be at least 1, got 0"):
        Felzenszwalb(min_size=0)
