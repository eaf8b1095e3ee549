"""Ready maps judged in one call: the metric itself, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import swag
from swag.explainers import RISE
from swag.metrics import Deletion, PerturbationCurve
from swag.signals import Signals
from tests.support.toys import (
    MEAN,
    STD,
    annotated,
    batch_of,
    classifier_of,
    images,
    toy,
    toy_cnn,
    untouched,
)

MAPS = torch.from_numpy(np.random.default_rng(3).random((2, 32, 32))).float()
OPTIONS: dict[str, Any] = {"mean": MEAN, "std": STD, "batch_size": 8}


@pytest.mark.parametrize(
    "metric", ["deletion", "insertion", Deletion(steps=5), PerturbationCurve()]
)
def test_it_is_the_metric(metric: Any) -> None:
    judge = swag.METRICS[metric] if isinstance(metric, str) else metric
    expected = judge(Signals(toy(), batch_of(images(2))), MAPS)
    found = swag.score(toy_cnn(), images(2), MAPS, metric=metric, **OPTIONS)
    assert torch.equal(found.value_B, expected.value_B)
    as_array = swag.score(classifier_of(toy_cnn()), images(2), MAPS.double().numpy(), metric=metric)
    assert torch.equal(as_array.value_B, expected.value_B)


def test_one_image_and_its_map() -> None:
    both = swag.score(toy_cnn(), images(2), MAPS, **OPTIONS)
    one = swag.score(toy_cnn(), images(2)[1], MAPS[1], **OPTIONS)
    assert one.value_B.tolist() == pytest.approx(both.value_B[1:].tolist())


def test_the_target_is_followed() -> None:
    batch = batch_of(images(2), target_B=torch.tensor([3, 1]))
    expected = Deletion()(Signals(toy(), batch), MAPS)
    found = swag.score(toy_cnn(), images(2), MAPS, target=[3, 1], **OPTIONS)
    assert torch.equal(found.value_B, expected.value_B)


@pytest.mark.parametrize(
    "metric", ["pointing_game", "energy_in_box", "weak_localisation", "mask_iou", "roc_auc"]
)
def test_objects_are_given_along(metric: str) -> None:
    batch = annotated(images(2))
    expected = swag.METRICS[metric](Signals(toy(), batch), MAPS).value_B
    found = swag.score(
        toy_cnn(), images(2), MAPS, metric=metric, boxes=batch.boxes, masks=batch.mask_BHW
    )
    assert torch.equal(found.value_B, expected)
    assert torch.isnan(swag.score(toy_cnn(), images(2), MAPS, metric=metric).value_B).all()


def test_the_model_is_left_as_it_was() -> None:
    model = toy_cnn().train()
    with untouched(model, MAPS):
        swag.score(model, images(2), MAPS)
    assert model.training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maps": MAPS[:1]}, r"a saliency of shape \(1, 32, 32\) does not fit"),
        ({"maps": MAPS[0]}, r"a saliency of shape \(32, 32\) does not fit"),
        ({"maps": MAPS * torch.nan}, "not finite"),
        ({"metric": "deletio"}, "metric 'deletio' is unknown; did you mean 'deletion'"),
        ({"metric": Deletion}, "got the class Deletion; write Deletion"),
        ({"metric": RISE()}, "must be the name of a metric or one with its fields, got RISE"),
        ({"metric": "efficiency"}, "metric 'efficiency' is unknown"),
        ({"target": "label"}, "wanted predicted, top:K"),
        ({"images": images(2) * 255}, r"must lie in \[0, 1\]"),
    ],
)
def test_every_mistake_is_one_clear_error(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"images": images(2), "maps": MAPS, **arguments}
    with pytest.raises(ValueError, match=message):
        swag.score(toy_cnn(), given.pop("images"), given.pop("maps"), **given)
