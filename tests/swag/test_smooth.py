"""Gradients of noisy copies, and what a model without ReLU is explained by."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import swag
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.protocols import passes_of
from swag.rng import generator
from swag.signals import Signals
from swag.smooth import noisy_gradients
from tests.support.toys import batch_of, classifier_of, images, toy, toy_cnn


def smooth_cnn(activation: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    return nn.Sequential(nn.Conv2d(3, 8, 3), activation, *head).eval()


def literal(signals: Signals, samples: int, noise: float) -> tuple[Tensor, Tensor]:
    """One copy at a time."""
    mean, square = [], []
    batch, classifier = signals.batch, signals.classifier
    for index, image_id in enumerate(batch.image_ids):
        rng = generator(batch.seed, image_id, "noisy_gradients")
        image_CHW = batch.image_BCHW[index]
        width = noise * (image_CHW.max() - image_CHW.min())
        gradients = []
        for _ in range(samples):
            drawn = torch.from_numpy(rng.standard_normal(image_CHW.shape, dtype=np.float32))
            x = classifier.normalise((image_CHW + width * drawn)[None]).requires_grad_()
            logit = classifier.model(x)[0, signals.target_B[index]]
            gradients.append(torch.autograd.grad(logit, x)[0][0])
        stacked = torch.stack(gradients)
        mean.append(stacked.mean(0))
        square.append(stacked.square().mean(0))
    return torch.stack(mean), torch.stack(square)


@pytest.mark.parametrize("batch_size", [2, 7, 64])
def test_equals_one_copy_at_a_time(batch_size: int) -> None:
    classifier = classifier_of(toy_cnn(), batch_size=batch_size)
    signals = Signals(classifier, batch_of(images(3, 16)))
    found = noisy_gradients(signals, 5, 0.15)
    mean, square = literal(signals, 5, 0.15)
    torch.testing.assert_close(found.mean_BCHW, mean, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.square_BCHW, square, rtol=1e-4, atol=1e-8)


def test_of_a_linear_model_it_is_the_gradient() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4)).eval()
    signals = Signals(Classifier(model), batch_of(images(2, 8)))
    found = noisy_gradients(signals, 4, 0.5)
    torch.testing.assert_close(found.mean_BCHW, signals.gradient_BCHW)
    torch.testing.assert_close(found.square_BCHW, signals.gradient_BCHW.square())


def test_no_noise_is_the_gradient() -> None:
    signals = Signals(toy(), batch_of(images(2, 16)))
    found = noisy_gradients(signals, 3, 0.0)
    torch.testing.assert_close(found.mean_BCHW, signals.gradient_BCHW)


def test_passes_are_those_that_are_run() -> None:
    counts = {name: passes_of(item).forwards for name, item in EXPLAINERS.items()}
    assert (counts["swag_ig_gradient"], counts["swag_ig"]) == (0, 0)
    assert counts["swag_ig_smooth"] == 25
    assert counts["swag_ig_integrated"] == 50


@pytest.mark.parametrize("activation", [nn.GELU(), nn.SiLU(), nn.Tanh()], ids=str)
def test_without_relu_the_default_is_another_and_says_so(activation: nn.Module) -> None:
    model, image = smooth_cnn(activation), torch.rand(2, 3, 16, 16)
    assert swag.default_method(swag.Classifier(model), image) == "swag_ig_gradient"
    with pytest.warns(UserWarning, match="no ReLU.*the method is 'swag_ig_gradient'"):
        found = swag.explain(model, image)
    torch.testing.assert_close(found, swag.explain(model, image, method="swag_ig_gradient"))
    with pytest.raises(ValueError, match="needs ReLUs"):
        swag.explain(model, image, method="swag_ig")


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6()], ids=str)
def test_with_relu_the_default_is_the_papers(activation: nn.Module) -> None:
    model, image = smooth_cnn(activation), torch.rand(2, 3, 16, 16)
    assert swag.default_method(swag.Classifier(model), image) == "swag_ig"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = swag.explain(model, image)
    torch.testing.assert_close(found, swag.explain(model, image, method="swag_ig"))
