"""A signal that a model refuses is missed by its own explainers alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from swag.signals import GRADIENTS, Signals
from tests.support.toys import Counted, batch_of, classifier_of, dyadic, images, toy_cnn


def smooth_cnn() -> nn.Module:
    """A model without any ReLU."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    return dyadic(model)


def test_a_model_without_relus_still_has_its_other_gradients() -> None:
    batch, model = batch_of(images(3)), Counted(smooth_cnn())
    found = Signals(classifier_of(model, cam_layer="model.2"), batch, GRADIENTS)
    expected = Signals(classifier_of(smooth_cnn(), cam_layer="2"), batch)
    assert torch.equal(found.target_B, expected.target_B)
    assert torch.equal(found.gradient_BCHW, expected.gradient_BCHW)
    assert torch.equal(found.layer_gradient_BFhw, expected.layer_gradient_BFhw)
    assert torch.equal(found.layer_activation_BFhw, expected.layer_activation_BFhw)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"needs ReLUs.*vanilla_gradient and"):
            _ = found.guided_gradient_BCHW
    assert torch.equal(found.probability_BK, expected.probability_BK)


def test_a_layer_that_is_not_there_costs_only_the_maps_of_it() -> None:
    batch = batch_of(images(2))
    found = Signals(classifier_of(toy_cnn(), cam_layer="features.99"), batch, GRADIENTS)
    expected = Signals(classifier_of(toy_cnn()), batch)
    assert torch.equal(found.guided_gradient_BCHW, expected.guided_gradient_BCHW)
    assert torch.equal(found.gradient_BCHW, expected.gradient_BCHW)
    with pytest.raises(ValueError, match=r"has no layer 'features\.99'"):
        _ = found.layer_gradient_BFhw


def test_nothing_is_computed_twice_after_a_refusal() -> None:
    model = Counted(smooth_cnn())
    found = Signals(classifier_of(model, cam_layer="model.2"), batch_of(images(2)), GRADIENTS)
    _ = found.gradient_BCHW
    before = len(model.forwards)
    for _ in range(2):
        _ = found.gradient_BCHW, found.probability_BK, found.target_B
    assert len(model.forwards) == before
