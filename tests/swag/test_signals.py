"""Each signal is right, is computed once, and leaves no trace."""

from __future__ import annotations

import itertools
from functools import partial
from typing import ClassVar

import pytest
import torch
from skimage.color import rgb2lab
from torch import Tensor, nn

from swag.explainers.controls import Centre
from swag.metrics.deletion import Deletion
from swag.signals import GRADIENTS, Signals
from tests.support import reference
from tests.support.toys import (
    Counted,
    Linear,
    batch_of,
    classifier_of,
    dyadic,
    images,
    take,
    toy,
    toy_cnn,
    untouched,
)

TENSORS = (
    *("probability_BK", "target_B", "gradient_BCHW", "guided_gradient_BCHW"),
    *("layer_activation_BFhw", "layer_gradient_BFhw", "normalised_BCHW"),
)


def read(signals: Signals) -> dict[str, Tensor]:
    return {name: getattr(signals, name) for name in TENSORS}


def test_a_linear_model_has_its_weights_as_gradient() -> None:
    weight_KCHW = torch.randn(4, 3, 6, 6)
    signals = Signals(classifier_of(Linear(weight_KCHW)), batch_of(images(3, 6)))
    logits_BK = torch.einsum("bchw,kchw->bk", signals.normalised_BCHW, weight_KCHW)
    assert torch.equal(signals.target_B, logits_BK.argmax(1))
    assert torch.equal(signals.gradient_BCHW, weight_KCHW[signals.target_B])
    torch.testing.assert_close(signals.probability_BK, logits_BK.softmax(1))


def test_gradient_equals_one_backward_pass_per_image() -> None:
    classifier, batch = toy(), batch_of(images(3))
    signals = Signals(classifier, batch, GRADIENTS)
    x_BCHW = (batch.image_BCHW - 0.5) / 0.25
    expected = reference.input_gradient(classifier.model, x_BCHW, signals.target_B)
    assert torch.equal(signals.gradient_BCHW, expected)
    twin = reference.guided_model(classifier.model)
    expected = reference.input_gradient(twin, x_BCHW, signals.target_B)
    assert torch.equal(signals.guided_gradient_BCHW, expected)


def test_layer_signals_equal_a_split_model() -> None:
    model, batch = toy_cnn(), batch_of(images(3))
    signals = Signals(classifier_of(model, cam_layer="3"), batch)
    x_BCHW = (batch.image_BCHW - 0.5) / 0.25
    activation = model[:4](x_BCHW).requires_grad_()
    logits = model[5:](activation.relu())
    score = logits.gather(1, signals.target_B[:, None]).sum()
    assert activation.min() < 0
    assert torch.equal(signals.layer_activation_BFhw, activation)
    assert torch.equal(signals.layer_gradient_BFhw, torch.autograd.grad(score, activation)[0])


def test_everything_announced_costs_one_forward_and_two_backward_passes() -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model, cam_layer="model.4"), batch_of(images(3)), GRADIENTS)
    for name in (*TENSORS, *TENSORS[::-1]):
        getattr(signals, name)
    assert model.forwards == [3]
    assert model.num_backwards == 2


@pytest.mark.parametrize(
    ("needs", "backwards"),
    [
        ((), 0),
        (("gradient",), 1),
        (("layer",), 1),
        (("layer_activation",), 0),
        (("layer_activation", "layer"), 1),
        (("layer_activation", "gradient"), 1),
        (("gradient", "layer"), 1),
        (("guided_gradient",), 1),
        (("guided_gradient", "layer"), 2),
    ],
)
def test_only_what_is_announced_is_computed(needs: tuple[str, ...], backwards: int) -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model, cam_layer="model.4"), batch_of(images(2)), needs)
    signals.target_B, signals.probability_BK, signals.target_B  # noqa: B018
    for need in needs:
        signals._gradient(need)
    assert model.forwards == [2]
    assert model.num_backwards == backwards


def test_looking_for_the_layer_costs_a_few_passes_of_one_image_once_per_model() -> None:
    model = Counted(toy_cnn())
    classifier = classifier_of(model)
    for _ in range(2):
        read(Signals(classifier, batch_of(images(3)), GRADIENTS))
    assert model.forwards == [1, 1, 3, 3]
    # It is looked whether all classes are made of its map.
    assert model.num_backwards == 1 + 2 * 2


def test_what_is_not_announced_costs_a_pass_of_its_own() -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model), batch_of(images(2)), {"gradient"})
    gradient = signals.gradient_BCHW
    signals.guided_gradient_BCHW  # noqa: B018
    assert (model.forwards, model.num_backwards) == ([2, 2], 2)
    assert signals.gradient_BCHW is gradient


def test_an_unknown_need_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['gradients'\]; known: \['gradient'"):
        Signals(toy(), batch_of(images(1)), {"gradients"})


@pytest.mark.parametrize("order", [*itertools.permutations(TENSORS[2:5]), TENSORS[::-1]])
def test_order_of_reading_changes_nothing(order: tuple[str, ...]) -> None:
    batch = batch_of(images(3))
    expected = read(Signals(toy(), batch, GRADIENTS))
    signals = Signals(toy(), batch)
    for name in order:
        getattr(signals, name)
    for name, value in read(signals).items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("batch_size", [1, 4, 6, 128])
def test_chunks_change_nothing(batch_size: int) -> None:
    batch = batch_of(images(5))
    model = Counted(toy_cnn())
    expected = read(Signals(toy(), batch, GRADIENTS))
    chunked = Signals(
        classifier_of(model, batch_size=batch_size, cam_layer="model.4"), batch, GRADIENTS
    )
    for name, value in read(chunked).items():
        torch.testing.assert_close(value, expected[name], msg=name)
    assert model.forwards == {1: [1] * 5, 4: [2, 2, 1], 6: [3, 2], 128: [5]}[batch_size]


def test_any_composition_of_the_batch_gives_the_same() -> None:
    batch = batch_of(images(4))
    expected = read(Signals(toy(), batch, GRADIENTS))
    for index in ([2], [3, 1], [3, 2, 1, 0]):
        found = read(Signals(toy(), take(batch, index), GRADIENTS))
        for name, value in found.items():
            torch.testing.assert_close(value, expected[name][index], msg=name)


def test_probabilities_do_not_depend_on_what_else_is_computed() -> None:
    batch = batch_of(torch.rand(4, 3, 32, 32))
    plain = Signals(toy(), batch).probability_BK
    assert torch.equal(Signals(toy(), batch, GRADIENTS).probability_BK, plain)
    torch.testing.assert_close(plain.sum(1), torch.ones(4))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "vgg16", "mobilenet_v2", "googlenet"])
def test_probabilities_of_real_models_are_those_of_the_plain_pass(name: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    options = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **options).eval()
    batch = batch_of(torch.rand(3, 3, 224, 224))
    plain = Signals(classifier_of(model), batch).probability_BK
    assert torch.equal(Signals(classifier_of(model), batch, GRADIENTS).probability_BK, plain)


def test_the_first_probabilities_stay() -> None:
    signals = Signals(toy(), batch_of(images(2)))
    first = signals.probability_BK
    signals.gradient_BCHW  # noqa: B018
    assert signals.probability_BK is first


def test_a_target_given_is_the_target_explained() -> None:
    target_B = torch.tensor([3, 0])
    batch = batch_of(images(2), target_B=target_B)
    signals = Signals(toy(), batch, GRADIENTS)
    assert signals.target_B.tolist() == [3, 0]
    x_BCHW = (batch.image_BCHW - 0.5) / 0.25
    expected = reference.input_gradient(toy_cnn(), x_BCHW, target_B)
    assert torch.equal(signals.gradient_BCHW, expected)


@pytest.mark.parametrize("target", [-1, 5])
@pytest.mark.parametrize("needs", [(), ("gradient",)])
def test_a_target_that_is_no_class_is_refused(target: int, needs: tuple[str, ...]) -> None:
    batch = batch_of(images(2), target_B=torch.tensor([0, target]))
    with pytest.raises(ValueError, match="classes 0 to 4 of the model"):
        Signals(toy(), batch, needs).probability_BK  # noqa: B018


@pytest.mark.parametrize("weights_have_gradients", [True, False])
def test_nothing_is_touched(weights_have_gradients: bool) -> None:
    classifier, batch = toy(), batch_of(images(3))
    classifier.model.requires_grad_(weights_have_gradients)
    classifier.model.get_submodule("0").register_forward_hook(lambda *_: None)
    with untouched(classifier.model, batch.image_BCHW):
        signals = Signals(classifier, batch, GRADIENTS)
        read(signals)
    assert not any(value.requires_grad for value in read(signals).values())


def test_nothing_is_touched_after_an_error() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ArithmeticError("no")

    model = nn.Sequential(toy_cnn()[:5], Broken()).eval()
    batch = batch_of(images(2))
    with untouched(model, batch.image_BCHW):
        signals = Signals(classifier_of(model, cam_layer="0.3"), batch, GRADIENTS)
        for name in TENSORS[:-1]:
            with pytest.raises(ArithmeticError):
                getattr(signals, name)


def test_a_model_that_works_in_place_on_its_input_does_not_reach_ours() -> None:
    class Shift(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sub_(0.25)

    model = nn.Sequential(Shift(), *toy_cnn()).eval()
    batch = batch_of(images(3))
    with untouched(model, batch.image_BCHW):
        signals = Signals(classifier_of(model), batch)
        assert torch.equal(signals.normalised_BCHW, (batch.image_BCHW - 0.5) / 0.25)
        signals.probability_BK, signals.gradient_BCHW  # noqa: B018
        assert torch.equal(signals.normalised_BCHW, (batch.image_BCHW - 0.5) / 0.25)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_there_even_where_the_caller_switched_them_off(mode: type) -> None:
    classifier = toy()
    expected = read(Signals(classifier, batch_of(images(2)), GRADIENTS))
    with mode():
        batch = batch_of(images(2), target_B=expected["target_B"].clone())
        found = read(Signals(classifier, batch, GRADIENTS))
    for name, value in found.items():
        assert torch.equal(value, expected[name]), name


def test_gradients_may_be_asked_for_after_a_metric() -> None:
    signals = Signals(toy(), batch_of(images(2)))
    Deletion(steps=4)(signals, Centre()(signals))
    assert torch.equal(
        signals.gradient_BCHW, Signals(toy(), signals.batch, GRADIENTS).gradient_BCHW
    )
    signals.probability_BK.mul_(1)  # an ordinary tensor, not one of inference mode


def test_lab_is_that_of_the_image_in_float64() -> None:
    signals = Signals(toy(), batch_of(images(2, 8)))
    image_HWC = signals.batch.image_BCHW[1].permute(1, 2, 0).double().numpy()
    assert signals.lab_BHWC.shape == (2, 8, 8, 3)
    assert signals.lab_BHWC.dtype == "float64"
    assert (signals.lab_BHWC[1] == rgb2lab(image_HWC)).all()


def test_once_computes_once_per_key() -> None:
    signals, calls = Signals(toy(), batch_of(images(1))), list[str]()
    for key in ("a", "b", "a"):
        signals.once(key, partial(calls.append, key))
    assert calls == ["a", "b"]


def test_segments_are_shared_by_equal_segmenters() -> None:
    calls = []

    class Halves:
        needs: ClassVar[frozenset[str]] = frozenset()

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Halves)

        def __hash__(self) -> int:
            return 1

        def __call__(self, signals: Signals) -> Tensor:
            calls.append(signals)
            return torch.zeros(1, 4, 4, dtype=torch.int64)

    signals = Signals(toy(), batch_of(images(1, 4)))
    assert signals.segments(Halves()) is signals.segments(Halves())
    assert calls == [signals]


def test_double_images_and_models_give_double_gradients() -> None:
    model = dyadic(nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)))
    batch = batch_of(images(2, 8).double())
    assert Signals(classifier_of(model.double()), batch).gradient_BCHW.dtype == torch.float64
