"""The controls by hand, by loops, and as the random variables that they claim to be."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from skimage import color, filters

from swag.explainers.controls import Centre, Noise, Random, Sobel
from swag.importance import pixel_importance, sobel_magnitude
from swag.rng import generator
from swag.signals import Signals
from tests.support import reference
from tests.support.toys import Counted, batch_of, classifier_of, images, take, toy, toy_cnn

CONTROLS = (Centre(), Random(), Noise(), Sobel())


def test_centre_by_hand() -> None:
    found = Centre()(Signals(toy(), batch_of(images(2, 3))))
    corner = -math.sqrt(2)
    expected = torch.tensor([[corner, -1, corner], [-1, 0, -1], [corner, -1, corner]])
    assert torch.equal(found, expected.expand(2, 3, 3))


def test_centre_of_an_even_number_of_pixels_lies_between_them() -> None:
    image_BCHW = images(1, 4)[:, :, :2]
    (found,) = Centre()(Signals(toy(), batch_of(image_BCHW)))
    outer, inner = -math.sqrt(0.25 + 2.25), -math.sqrt(0.25 + 0.25)
    torch.testing.assert_close(found, torch.tensor([[outer, inner, inner, outer]] * 2))


def test_random_is_the_distance_to_one_pixel() -> None:
    for saliency_HW in Random()(Signals(toy(), batch_of(images(20, 7)[:, :, :5]))):
        row, column = divmod(int(saliency_HW.argmax()), 7)
        expected = [[-math.hypot(i - row, j - column) for j in range(7)] for i in range(5)]
        torch.testing.assert_close(saliency_HW, torch.tensor(expected))


def test_random_pixels_are_uniform() -> None:
    count, image_1CHW = 4000, images(1, 4)[:, :, :, :3]
    batch = batch_of(
        image_1CHW.expand(count, -1, -1, -1), image_ids=tuple(str(i) for i in range(count))
    )
    pixel_B = Random()(Signals(toy(), batch)).flatten(1).argmax(1)
    seen = Counter(pixel_B.tolist())
    assert stats.chisquare([seen[pixel] for pixel in range(12)]).pvalue > 0.001


def test_noise_is_uniform_and_new_for_each_image() -> None:
    noise_BHW = Noise()(Signals(toy(), batch_of(images(2, 64))))
    assert stats.kstest(noise_BHW.flatten().numpy(), "uniform").pvalue > 0.001
    assert abs(np.corrcoef(noise_BHW.flatten(1).numpy())[0, 1]) < 0.1


@pytest.mark.parametrize("explainer", [Random(), Noise()])
def test_chance_depends_on_seed_and_image_only(explainer: Random | Noise) -> None:
    batch = batch_of(images(3, 16))
    found = explainer(Signals(toy(), batch))
    assert torch.equal(explainer(Signals(toy(), take(batch, [2, 0]))), found[[2, 0]])
    other = batch_of(images(3, 16), seed=1)
    assert not torch.equal(explainer(Signals(toy(), other)), found)


def test_generators_differ_in_every_argument() -> None:
    draws = {
        generator(*arguments).random()
        for arguments in [(0, "a", "x"), (1, "a", "x"), (0, "b", "x"), (0, "a", "y"), (0, "ax", "")]
    }
    assert len(draws) == 5
    assert generator(0, "a", "x").random() in draws


def test_sobel_equals_literal_loops() -> None:
    image_BCHW = torch.rand(2, 3, 9, 7)
    found = Sobel()(Signals(toy(), batch_of(image_BCHW)))
    for saliency_HW, image_CHW in zip(found, image_BCHW, strict=True):
        expected = reference.sobel(image_CHW.double().numpy())
        np.testing.assert_allclose(saliency_HW, expected, rtol=1e-4, atol=1e-6)


def test_sobel_equals_scikit_image_but_for_its_scale() -> None:
    (image_CHW,) = torch.rand(1, 3, 12, 10)
    grey_HW = color.rgb2gray(image_CHW.permute(1, 2, 0).double().numpy())
    found = sobel_magnitude(image_CHW[None])[0]
    np.testing.assert_allclose(found * math.sqrt(2), filters.sobel(grey_HW), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 0.7, 1.0])
def test_a_constant_image_has_no_edges(value: float) -> None:
    image_BCHW = torch.full((1, 3, 33, 17), value)
    assert torch.equal(sobel_magnitude(image_BCHW), torch.zeros(1, 33, 17))


def test_controls_ask_nothing_of_the_model() -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model), batch_of(images(2)))
    for explainer in CONTROLS:
        explainer(signals)
        assert explainer.kind == "control"
        assert not explainer.needs
    assert model.forwards == []


def test_an_unknown_importance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'canny' is unknown; choose one of \('guided"):
        pixel_importance(Signals(toy(), batch_of(images(1))), "canny")  # type: ignore[arg-type]
