"""The one call for a newcomer: what it takes, what it refuses, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import swag
from swag.explainers.rise import RISE
from tests.support.processes import python
from tests.support.toys import classifier_of, images, toy_cnn, untouched

FEW_MASKS = RISE(num_masks=8)


def test_images_that_ask_for_gradients_are_explained() -> None:
    image_BCHW = images(2).requires_grad_()
    model = toy_cnn()
    with untouched(model):
        found = swag.explain(model, image_BCHW, method="swag")
    assert not found.requires_grad
    assert image_BCHW.grad is None
    assert torch.equal(found, swag.explain(model, images(2), method="swag"))


def test_random_numbers_belong_to_the_image_by_its_name() -> None:
    """The second of two images is the same alone, where it has its name."""
    model = toy_cnn()
    both = swag.explain(model, images(2), method="noise", image_ids=["left", "right"])
    alone = swag.explain(model, images(2)[1], method="noise", image_ids=["right"])
    assert torch.equal(both[1], alone)
    unnamed = swag.explain(model, images(2)[1], method="noise")
    assert not torch.equal(both[1], unnamed)


@pytest.mark.slow
def test_what_the_package_offers_comes_when_it_is_asked_for() -> None:
    code = """
import swag
import swag.lookup
assert "torch" not in sys.modules
assert set(swag.__all__) <= set(dir(swag))
assert swag.catalog.EXPLAINERS is swag.EXPLAINERS
assert swag.testing.check_explainer
print(hasattr(swag, "nothing"), hasattr(swag, "_nothing"), bool(swag.__version__))
"""
    done = python(code)
    assert done.stdout == "False False True\n", done.stderr


def test_a_seed_makes_other_random_numbers() -> None:
    first, again, other = (
        swag.explain(toy_cnn(), images(1), method=FEW_MASKS, seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("target", [2, [2, 2], torch.tensor([2, 2]), torch.tensor(2)])
def test_targets_are_one_class_or_one_for_each_image(target: Any) -> None:
    found = swag.explain(toy_cnn(), images(2), method="vanilla_gradient", target=target)
    one = swag.explain(toy_cnn(), images(2)[0], method="vanilla_gradient", target=2)
    assert torch.equal(found[0], one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": images(2)[:0]}, "at least one image, got none"),
        (
            {"images": images(2)[:, :1]},
            "images have 1 channels, and the model's mean and std are of 3",
        ),
        ({"images": images(2)[0, 0]}, r"must have shape \(B, C, H, W\), got \(32, 32\)"),
        ({"images": images(2) * 255}, r"must lie in \[0, 1\]"),
        ({"target": [1, 2, 3]}, r"one for each of 2, got shape \(3,\)"),
        ({"target": [[1], [2]]}, r"one for each of 2, got shape \(2, 1\)"),
        ({"target": 5}, "targets must be classes 0 to 4"),
        ({"image_ids": ["a"]}, "2 images came with 1 ids"),
        ({"method": RISE}, "got the class RISE; write RISE"),
        ({"method": 3}, "must be the name of an explainer or one with its fields, got 3"),
        ({"method": "swagg"}, "did you mean 'swag_g' or 'swag'"),
        ({"model": toy_cnn().double()}, r"parameters are torch.float64.*model.float\(\)"),
        ({"model": toy_cnn().to(torch.bfloat16)}, r"parameters are torch.bfloat16"),
        ({"model": classifier_of(toy_cnn()), "mean": (0.0,) * 3}, "mean belong to the Classifier"),
    ],
)
def test_every_mistake_is_one_clear_error(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "model": toy_cnn(), "images": images(2), "method": "vanilla_gradient", **arguments
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        swag.explain(given.pop("model"), given.pop("images"), **given)


def test_a_model_of_one_channel_is_told_what_it_got() -> None:
    grey = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ValueError, match="does not take images of 3 channels"):
        swag.explain(grey.eval(), images(1), method="vanilla_gradient")
    with pytest.raises(
        ValueError, match="images have 3 channels, and the model's mean and std are"
    ):
        swag.explain(grey.eval(), images(1), method="vanilla_gradient", mean=(0.5,), std=(0.5,))
