"""Guided backpropagation against a literal twin, captum, and every way to call a ReLU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import torchvision
from captum.attr import GuidedBackprop as CaptumGuidedBackprop
from torch import Tensor, nn

from swag.backward import captured, guide
from swag.signals import Signals
from tests.support import reference
from tests.support.toys import batch_of, classifier_of, dyadic, images, toy_cnn

ALL = frozenset({"gradient", "guided_gradient", "layer"})


def guided(model: nn.Module, image_BCHW: Tensor, target_B: Tensor) -> Tensor:
    batch = batch_of(image_BCHW, target_B=target_B)
    return Signals(classifier_of(model, batch_size=64), batch).guided_gradient_BCHW


def twin(model: nn.Module, image_BCHW: Tensor, target_B: Tensor) -> Tensor:
    x_BCHW = classifier_of(model).normalise(image_BCHW)
    return reference.input_gradient(reference.guided_model(model), x_BCHW, target_B)


class Net(nn.Module):
    """Three convolutions with a ReLU after each, called in the way that a test asks for."""

    def __init__(self, relu: Callable[[Tensor], Tensor] | nn.Module) -> None:
        super().__init__()
        self.relu = relu
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.third = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)
        dyadic(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        y = self.second(x)
        y += x
        x = self.relu(y)
        x = self.relu(self.third(x))
        return self.head(x.mean((2, 3)))


def _relu(x: Tensor) -> Tensor:
    return torch.relu(x)


RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "reused module": nn.ReLU(),
    "reused in-place module": nn.ReLU(inplace=True),
    "functional": F.relu,
    "functional in-place": lambda x: F.relu(x, inplace=True),
    "functional by keyword": lambda x: F.relu(input=x),
    "underscore": F.relu_,
    "torch": torch.relu,
    "torch in-place": torch.relu_,
    "method": Tensor.relu,
    "method in-place": Tensor.relu_,
    "operator": torch.ops.aten.relu.default,
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
    "threshold in-place": nn.Threshold(0.0, 0.0, inplace=True),
    "scripted function": torch.jit.script(_relu),
}


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS.keys())
def test_each_way_to_call_a_relu_is_guided(relu: Callable[[Tensor], Tensor]) -> None:
    image_BCHW, target_B = images(3, 16), torch.tensor([0, 3, 1])
    expected = twin(Net(nn.ReLU()), image_BCHW, target_B)
    assert expected.abs().max() > 0
    assert torch.equal(guided(Net(relu), image_BCHW, target_B), expected)


CAPPED: dict[str, Callable[[Tensor], Tensor]] = {
    "module": nn.ReLU6(),
    "in-place module": nn.ReLU6(inplace=True),
    "functional": F.relu6,
    "hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "hardtanh in-place": nn.Hardtanh(0.0, 6.0, inplace=True),
    "hardtanh by keyword": lambda x: F.hardtanh(x, max_val=6.0, min_val=0.0),
}


@pytest.mark.parametrize("relu", CAPPED.values(), ids=CAPPED.keys())
def test_relu6_is_guided(relu: Callable[[Tensor], Tensor]) -> None:
    image_BCHW, target_B = images(3, 16), torch.tensor([0, 3, 1])
    expected = twin(Net(nn.ReLU6()), image_BCHW, target_B)
    uncapped = twin(Net(nn.ReLU()), image_BCHW, target_B)
    assert not torch.equal(expected, uncapped)
    assert torch.equal(guided(Net(relu), image_BCHW, target_B), expected)


def test_hardtanh_from_below_zero_is_no_relu() -> None:
    image_BCHW, target_B = images(2, 16), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="needs ReLUs"):
        guided(Net(nn.Hardtanh()), image_BCHW, target_B)


def test_by_hand() -> None:
    """y = w2 relu(w1 x): the gradient w1 w2 passes where w1 x > 0 and w2 > 0."""
    x = torch.tensor([[2.0, -3.0, 5.0]], requires_grad=True)
    weight = torch.tensor([[4.0, 7.0, -1.0]])
    score = (torch.relu(x) * weight).sum()
    (plain,) = torch.autograd.grad(score, x, retain_graph=True)
    guide(score)
    (clipped,) = torch.autograd.grad(score, x)
    assert plain.tolist() == [[4.0, 0.0, -1.0]]
    assert clipped.tolist() == [[4.0, 0.0, 0.0]]


def test_a_second_consumer_of_the_input_is_not_clipped() -> None:
    """The rule belongs to the ReLU: what goes round it keeps its sign."""
    x = torch.tensor([2.0], requires_grad=True)
    before = x * 1
    score = (torch.relu(before) * 3 - before * 5).sum()
    guide(score)
    assert torch.autograd.grad(score, x)[0].tolist() == [-2.0]


def test_the_rule_ends_with_its_graph() -> None:
    image_BCHW, target_B = images(2, 16), torch.tensor([0, 3])
    model = Net(nn.ReLU(inplace=True))
    x_BCHW = classifier_of(model).normalise(image_BCHW)
    plain = reference.input_gradient(model, x_BCHW, target_B)
    guided(model, image_BCHW, target_B)
    assert torch.equal(reference.input_gradient(model, x_BCHW, target_B), plain)


@pytest.mark.parametrize("convert", [torch.jit.script, torch.jit.trace], ids=["script", "trace"])
def test_torchscript_models_are_guided(convert: Callable[..., nn.Module]) -> None:
    model, image_BCHW, target_B = toy_cnn(), images(2, 16), torch.tensor([0, 3])
    arguments = (model, image_BCHW) if convert is torch.jit.trace else (model,)
    converted = convert(*arguments)
    for _ in range(3):  # the profiling executor changes the graph after its first calls
        assert torch.equal(
            guided(converted, image_BCHW, target_B), twin(model, image_BCHW, target_B)
        )


def test_a_model_without_relu_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.SiLU(), nn.Flatten(), nn.Linear(32, 2)).eval()
    with pytest.raises(ValueError, match="needs ReLUs"):
        guided(model, images(1, 6), torch.tensor([0]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # dynamo's own
def test_a_compiled_model_is_refused() -> None:
    model: Any = torch.compile(toy_cnn(), backend="aot_eager")
    with pytest.raises(ValueError, match=r"CompiledFunction.*torch\.compile"):
        guided(model, images(1, 16), torch.tensor([0]))


def test_a_relu_hidden_in_a_view_is_refused() -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x * 1
            F.relu_(x[:, :1])
            return torch.relu(x).sum((2, 3))

    with pytest.raises(ValueError, match=r"CopySlices.*views"):
        guided(Half().eval(), images(1, 6), torch.tensor([0]))


def test_captured_keeps_what_an_in_place_layer_overwrites() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)).eval()
    x_BCHW = torch.randn(1, 3, 8, 8)
    with captured("0", model[0], (8, 8)) as outputs:
        model(x_BCHW)
    assert outputs[0].min() < 0
    assert torch.equal(outputs[0], model[0](x_BCHW))


def test_captured_refuses_what_is_no_map() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).eval()
    with (
        pytest.raises(ValueError, match=r"layer '1'.*\(B, F, h, w\).* not shape \(1, 4\)"),
        captured("1", model[1], (2, 2)),
    ):
        model(torch.zeros(1, 3, 2, 2))
    assert not model[1]._forward_hooks


def architecture(name: str) -> nn.Module:
    options = {"init_weights": True} if name in {"googlenet", "inception_v3"} else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision warns of its own slow initialisation
        return torchvision.models.get_model(name, weights=None, **options).eval()


def with_modules(model: nn.Module) -> nn.Module:
    """Give a torchvision model modules where it calls F.relu, for oracles that see modules only."""

    class Relu(nn.Module):
        def __init__(self, wrapped: nn.Module) -> None:
            super().__init__()
            self.wrapped, self.relu = wrapped, nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(self.wrapped(x))

    class Copy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.clone()

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "BasicConv2d":
                setattr(parent, name, Relu(nn.Sequential(*child.children())))
    if isinstance(model, torchvision.models.DenseNet):
        model.features.add_module("relu", nn.ReLU())
        model.features.add_module("copy", Copy())  # what follows works in place
    return model.eval()


def compare_with_captum(name: str, size: int, *, count: int = 2) -> None:
    model, image_BCHW = architecture(name), torch.rand(count, 3, size, size)
    # The same pass as captum: a backward one holds half of batch_size.
    classifier = classifier_of(model, batch_size=2 * count)
    signals = Signals(classifier, batch_of(image_BCHW), ALL)
    ours = signals.guided_gradient_BCHW
    oracle = CaptumGuidedBackprop(with_modules(model))
    x_BCHW = signals.normalised_BCHW.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = oracle.attribute(x_BCHW, target=signals.target_B)
    assert ours.abs().max() > 0
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "name", ["resnet18", pytest.param("vgg11", marks=pytest.mark.slow), "densenet121", "googlenet"]
)
def test_equals_captum_bit_for_bit(name: str) -> None:
    compare_with_captum(name, 64)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "vgg16", "densenet121", "googlenet", "inception_v3"])
def test_equals_captum_bit_for_bit_at_full_size(name: str) -> None:
    compare_with_captum(name, 299 if name == "inception_v3" else 224)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "squeezenet1_1", "regnet_y_400mf"])
def test_equals_the_literal_twin(name: str) -> None:
    model, image_BCHW, target_B = architecture(name), torch.rand(1, 3, 96, 96), torch.tensor([7])
    assert torch.equal(guided(model, image_BCHW, target_B), twin(model, image_BCHW, target_B))


def test_recomputed_activations_are_guided() -> None:
    """DenseNet's memory-saving form runs its layers again in the backward pass."""
    saving = torchvision.models.densenet121(weights=None, memory_efficient=True).eval()
    plain = torchvision.models.densenet121(weights=None).eval()
    plain.load_state_dict(saving.state_dict())
    image_BCHW, target_B = torch.rand(1, 3, 32, 32), torch.tensor([7])
    wanted_BCHW = guided(plain, image_BCHW, target_B)
    rounding = 1e-5 * float(wanted_BCHW.abs().max())
    found_BCHW = guided(saving, image_BCHW, target_B)
    torch.testing.assert_close(found_BCHW, wanted_BCHW, rtol=0, atol=rounding)
