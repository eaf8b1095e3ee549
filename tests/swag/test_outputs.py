"""A class's score is what the kind of output makes it, and never something else in silence."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import swag
from swag.classifier import Classifier
from swag.metrics.deletion import Deletion
from swag.outputs import tensor_of
from swag.signals import Signals
from tests.support.toys import batch_of, images, toy_cnn

Pair = namedtuple("Pair", "logits aux")


class Wrapped(nn.Module):
    """A model whose output is changed on its way out."""

    def __init__(self, model: nn.Module, change: Any) -> None:
        super().__init__()
        self.model, self.change = model, change
        self.eval()

    def forward(self, x_BCHW: Tensor) -> Any:
        return self.change(self.model(x_BCHW))


def signals_of(model: nn.Module, **options: Any) -> Signals:
    return Signals(Classifier(model, **options), batch_of(images(3)), {"gradient", "layer"})


def binary() -> nn.Module:
    return toy_cnn(num_classes=1)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: SimpleNamespace(logits=z),
        lambda z: {"logits": z, "features": z * 2},
        lambda z: {"out": z},
        lambda z: (z, None),
        lambda z: Pair(z, None),
        lambda z: [{"logits": z}],
    ],
)
def test_logits_are_found_in_what_models_return(wrap: Any) -> None:
    plain, wrapped = signals_of(toy_cnn()), signals_of(Wrapped(toy_cnn(), wrap))
    for name in ("logit_BK", "probability_BK", "gradient_BCHW", "layer_gradient_BFhw", "target_B"):
        assert torch.equal(getattr(plain, name), getattr(wrapped, name)), name


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"features": torch.zeros(2, 3)}, "returned a dict with features; wanted a tensor"),
        ("logits", "returned a str; wanted a tensor"),
        (torch.zeros(2, 3, 4), r"shape \(2, 3, 4\), wanted \(B, K\)"),
        ((), "returned a tuple; wanted a tensor"),
    ],
)
def test_other_outputs_are_one_clear_error(output: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tensor_of(output)


def test_one_output_under_softmax_is_refused() -> None:
    with pytest.raises(ValueError, match="the softmax of one number is always 1"):
        _ = signals_of(binary()).probability_BK
    with pytest.raises(ValueError, match="use output='sigmoid'"):
        swag.explain(binary(), images(2), method="grad_cam", output="softmax")


def test_one_output_is_two_classes_under_sigmoid() -> None:
    """For the class and against it: scores add up to one, gradients are opposite."""
    z_B1 = binary()((images(3) - 0.5) / 0.25)
    options: dict[str, Any] = {"output": "sigmoid", "mean": (0.5,) * 3, "std": (0.25,) * 3}
    found = signals_of(binary(), **options)
    assert torch.equal(found.probability_BK[:, 1:], z_B1.sigmoid())
    torch.testing.assert_close(found.probability_BK.sum(1), torch.ones(3))
    assert torch.equal(found.target_B, (z_B1[:, 0] > 0).long())
    classifier = Classifier(binary(), **options)
    sides = []
    for target in (0, 1):
        batch = batch_of(images(3), target_B=torch.full((3,), target))
        sides.append(Signals(classifier, batch).gradient_BCHW)
    assert torch.equal(sides[0], -sides[1])


def test_a_model_of_shape_b_is_binary_too() -> None:
    flat = Wrapped(binary(), lambda z_B1: z_B1[:, 0])
    plain, found = (signals_of(model, output="sigmoid") for model in (binary(), flat))
    assert torch.equal(plain.probability_BK, found.probability_BK)


def test_classes_of_several_labels_are_scored_alone() -> None:
    found = signals_of(toy_cnn(), output="sigmoid")
    assert torch.equal(found.probability_BK, found.logit_BK.sigmoid())
    softmax = signals_of(toy_cnn())
    assert torch.equal(softmax.target_B, found.target_B)
    assert torch.equal(softmax.gradient_BCHW, found.gradient_BCHW)


def test_the_deletion_curve_is_of_the_score_that_was_asked_for() -> None:
    saliency_BHW = images(3).mean(1)
    curves = {}
    for output in ("softmax", "sigmoid", "logit"):
        found = signals_of(toy_cnn(), output=output)
        curve_BT = Deletion(steps=4)(found, saliency_BHW).curve_BT
        assert curve_BT is not None
        curves[output] = curve_BT
    torch.testing.assert_close(curves["sigmoid"], curves["logit"].sigmoid())
    assert not torch.allclose(curves["softmax"], curves["sigmoid"])


def test_probabilities_of_the_model_itself_are_taken_as_they_are() -> None:
    given = Wrapped(toy_cnn(), lambda z_BK: z_BK.softmax(1))
    found, plain = signals_of(given, output="none"), signals_of(toy_cnn())
    assert torch.equal(found.probability_BK, plain.probability_BK)
    with pytest.warns(UserWarning, match="look like probabilities already"):
        _ = signals_of(given).probability_BK


def test_outputs_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match="takes the model's outputs for probabilities"):
        _ = signals_of(toy_cnn(), output="none").probability_BK


def test_probabilities_that_do_not_add_up_are_said_once() -> None:
    several = Wrapped(toy_cnn(), lambda z_BK: z_BK.sigmoid())
    found = signals_of(several, output="none")
    with pytest.warns(UserWarning, match="do not sum to 1") as said:
        Deletion(steps=3)(found, images(3).mean(1))
    assert len(said) == 1


def test_an_unknown_kind_of_output_is_named() -> None:
    with pytest.raises(ValueError, match="output 'softmaxx' is unknown; choose one of softmax"):
        Classifier(toy_cnn(), output="softmaxx")  # type: ignore[arg-type]


def test_the_prediction_is_the_largest_logit() -> None:
    """Two logits that differ by less than float32's softmax can tell are no tie."""
    near_K = torch.tensor([-5.0, 0.0, 1e-9, -5.0, -5.0])
    assert near_K.softmax(0)[1] == near_K.softmax(0)[2]
    found = signals_of(Wrapped(toy_cnn(), lambda z_BK: z_BK * 0 + near_K))
    assert found.target_B.tolist() == [2, 2, 2]
