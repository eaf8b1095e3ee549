"""Grad-CAM and its kin against closed forms, literal loops and pytorch-grad-cam."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from swag.explainers.cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from swag.protocols import Explainer
from swag.signals import Signals
from tests.support import reference
from tests.support.toys import batch_of, classifier_of, dyadic, images, toy, toy_cnn

BOTH = pytest.mark.parametrize("explainer", [GradCAM(), GradCAMPlusPlus()], ids=["cam", "++"])


def pooled_net() -> nn.Sequential:
    """Features at the image's own size, pooled, then one linear layer."""
    return dyadic(
        nn.Sequential(
            nn.Conv2d(3, 5, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(5, 4),
        )
    )


def head_of(model: nn.Sequential) -> nn.Linear:
    layer = model[-1]
    assert isinstance(layer, nn.Linear)
    return layer


def features_of(signals: Signals, model: nn.Sequential) -> Tensor:
    return model[0](signals.normalised_BCHW).relu()


def test_grad_cam_of_a_pooled_net_is_its_class_activation_map() -> None:
    model = pooled_net()
    signals = Signals(classifier_of(model), batch_of(images(3, 16)))
    weight_BF = head_of(model).weight[signals.target_B] / 16**2
    expected = torch.einsum("bf,bfhw->bhw", weight_BF, features_of(signals, model)).relu()
    assert expected.max() > 0
    torch.testing.assert_close(GradCAM()(signals), expected)


def test_grad_cam_pp_of_a_pooled_net_drops_negative_channels() -> None:
    model = pooled_net()
    signals = Signals(classifier_of(model), batch_of(images(3, 16)))
    weight_BF = head_of(model).weight[signals.target_B].relu() / 16**2
    expected = torch.einsum("bf,bfhw->bhw", weight_BF, features_of(signals, model))
    assert expected.max() > 0
    torch.testing.assert_close(GradCAMPlusPlus()(signals), expected)


def test_by_hand() -> None:
    """One pixel on, a class weight of 3: the map is 3/4 of the activation at that pixel."""
    model = nn.Sequential(
        nn.Conv2d(3, 1, 1, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1, 2, bias=False),
    ).eval()
    model[0].weight.data = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    model[4].weight.data = torch.tensor([[3.0], [-3.0]])
    image_BCHW = torch.zeros(1, 3, 2, 2)
    image_BCHW[0, 0, 1, 0] = 0.5
    classifier = classifier_of(model, mean=(0,) * 3, std=(1,) * 3)
    for target, expected in ((0, [[[0.0, 0.0], [0.375, 0.0]]]), (1, [[[0.0, 0.0], [0.0, 0.0]]])):
        batch = batch_of(image_BCHW, target_B=torch.tensor([target]))
        assert GradCAM()(Signals(classifier, batch)).tolist() == expected
        assert GradCAMPlusPlus()(Signals(classifier, batch)).tolist() == expected


def test_both_equal_literal_loops() -> None:
    signals = Signals(toy(), batch_of(images(2, 32)))
    cam, plus_plus = GradCAM()(signals), GradCAMPlusPlus()(signals)
    for image in range(2):
        activation = signals.layer_activation_BFhw[image].double().numpy()
        gradient = signals.layer_gradient_BFhw[image].double().numpy()
        assert (gradient > 0).any()
        assert (gradient < 0).any()
        weighted = sum(gradient[k].mean() * activation[k] for k in range(len(gradient)))
        expected = reference.bilinear(np.maximum(weighted, 0), 32, 32)
        np.testing.assert_allclose(cam[image], expected, rtol=1e-5, atol=1e-7)
        expected = reference.bilinear(reference.grad_cam_plus_plus(activation, gradient), 32, 32)
        assert expected.max() > 0
        np.testing.assert_allclose(plus_plus[image], expected, rtol=1e-5, atol=1e-7)


def test_gradients_that_are_zero_everywhere_give_a_zero_map() -> None:
    model = pooled_net()
    head_of(model).weight.data.zero_()
    for explainer in (GradCAM(), GradCAMPlusPlus()):
        saliency_BHW = explainer(Signals(classifier_of(model), batch_of(images(2, 8))))
        assert torch.equal(saliency_BHW, torch.zeros(2, 8, 8))


def test_the_kin_equals_literal_loops() -> None:
    signals = Signals(toy(), batch_of(images(2, 32)))
    for image in range(2):
        activation = signals.layer_activation_BFhw[image].double().numpy()
        gradient = signals.layer_gradient_BFhw[image].double().numpy()
        expected: dict[Any, np.ndarray] = {
            HiResCAM: sum(g * a for g, a in zip(gradient, activation, strict=True)),
            LayerCAM: sum(np.maximum(g, 0) * a for g, a in zip(gradient, activation, strict=True)),
            XGradCAM: sum(
                (g * a).sum() / a.sum() * a for g, a in zip(gradient, activation, strict=True)
            ),
        }
        for kind, map_hw in expected.items():
            wanted = reference.bilinear(np.maximum(map_hw, 0), 32, 32)
            assert wanted.max() > 0
            np.testing.assert_allclose(kind()(signals)[image], wanted, rtol=1e-5, atol=1e-7)


def test_of_a_pooled_net_the_kin_is_grad_cam() -> None:
    """All cells of a channel have the same gradient there (Draelos and Carin, 2020)."""
    signals = Signals(classifier_of(pooled_net()), batch_of(images(3, 16)))
    expected = GradCAM()(signals)
    torch.testing.assert_close(HiResCAM()(signals), expected)
    torch.testing.assert_close(XGradCAM()(signals), expected)
    torch.testing.assert_close(LayerCAM()(signals), GradCAMPlusPlus()(signals))


def test_a_channel_without_activation_counts_nothing() -> None:
    model = pooled_net()
    first = model[0]
    assert isinstance(first, nn.Conv2d)
    assert first.bias is not None
    first.weight.data[2] = 0
    first.bias.data[2] = -1
    signals = Signals(classifier_of(model), batch_of(images(2, 8)))
    assert not features_of(signals, model)[:, 2].any()
    torch.testing.assert_close(XGradCAM()(signals), GradCAM()(signals))


@BOTH
def test_huge_scores_do_not_overflow(explainer: GradCAM | GradCAMPlusPlus) -> None:
    model, batch = toy_cnn(), batch_of(images(2))
    plain = explainer(Signals(classifier_of(model), batch))
    head_of(model).weight.data *= 2.0**20
    head_of(model).bias.data *= 2.0**20
    loud = explainer(Signals(classifier_of(model), batch))
    assert torch.isfinite(loud).all()
    if isinstance(explainer, GradCAM):
        torch.testing.assert_close(loud, plain * 2.0**20)


@BOTH
def test_an_in_place_relu_behind_the_layer_changes_nothing(
    explainer: GradCAM | GradCAMPlusPlus,
) -> None:
    """The layer's own output counts, not what the ReLU makes of it."""
    batch = batch_of(images(2))
    found = [
        explainer(Signals(classifier_of(toy_cnn(inplace=inplace), cam_layer="3"), batch))
        for inplace in (True, False)
    ]
    after_relu = explainer(Signals(classifier_of(toy_cnn(), cam_layer="4"), batch))
    assert torch.equal(*found)
    assert not torch.equal(found[0], after_relu)


@pytest.mark.slow
def test_vgg_s_last_convolution_keeps_its_negatives() -> None:
    model = torchvision.models.vgg16(weights=None).eval()
    batch = batch_of(torch.rand(1, 3, 32, 32))
    signals = Signals(classifier_of(model, cam_layer="features.28"), batch)
    with torch.no_grad():
        expected = model.features[:29](signals.normalised_BCHW)
    assert expected.min() < 0
    assert torch.equal(signals.layer_activation_BFhw, expected)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnet_needs_no_backward_pass(name: str) -> None:
    """Its head is pooling and a linear layer, so the gradient is the class's weight / 49."""
    model = torchvision.models.get_model(name, weights=None).eval()
    signals = Signals(classifier_of(model), batch_of(torch.rand(2, 3, 96, 96)))
    gradient_BFhw = signals.layer_gradient_BFhw
    weight_BF11 = model.fc.weight[signals.target_B][:, :, None, None] / 9
    torch.testing.assert_close(gradient_BFhw, weight_BF11.expand(-1, -1, 3, 3))


@BOTH
@pytest.mark.parametrize("weights_have_gradients", [True, False])
def test_nothing_below_the_layer_is_gone_through_backwards(
    explainer: GradCAM | GradCAMPlusPlus,
    weights_have_gradients: bool,
) -> None:
    class OneWay(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, *gradients: Tensor) -> Tensor:
            raise ArithmeticError("backwards")

    class Gate(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return OneWay.apply(x)

    model = nn.Sequential(Gate(), *toy_cnn()).eval().requires_grad_(weights_have_gradients)
    classifier, batch = classifier_of(model, cam_layer="4"), batch_of(images(2))
    expected = explainer(Signals(classifier_of(toy_cnn(), cam_layer="3"), batch, {"layer"}))
    assert torch.equal(explainer(Signals(classifier, batch, {"layer"})), expected)
    with pytest.raises(ArithmeticError, match="backwards"):
        Signals(classifier, batch).gradient_BCHW  # noqa: B018


def test_a_layer_that_runs_twice_is_refused() -> None:
    block = nn.Conv2d(3, 3, 3, padding=1)
    model = nn.Sequential(block, nn.ReLU(), block, nn.Flatten(), nn.Linear(48, 2)).eval()
    classifier = classifier_of(model, cam_layer="0")
    with pytest.raises(ValueError, match="layer '0' ran 2 times"):
        GradCAM()(Signals(classifier, batch_of(images(1, 4))))


def test_a_layer_that_never_runs_is_refused() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = toy_cnn(), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    classifier = classifier_of(Spare().eval(), cam_layer="spare")
    with pytest.raises(ValueError, match="layer 'spare' ran 0 times"):
        GradCAM()(Signals(classifier, batch_of(images(1))))


def test_a_layer_without_a_map_is_refused() -> None:
    classifier = classifier_of(toy_cnn(), cam_layer="7")
    with pytest.raises(ValueError, match=r"layer '7' must put out one map.*shape \(1, 5\)"):
        GradCAM()(Signals(classifier, batch_of(images(1))))


KIN: dict[str, Explainer] = {
    "GradCAM": GradCAM(),
    "HiResCAM": HiResCAM(),
    "LayerCAM": LayerCAM(),
    "XGradCAM": XGradCAM(),
}


def compare_with_pytorch_grad_cam(
    name: str, layer: str, size: int, methods: Sequence[str] = ("GradCAM",)
) -> None:
    oracle = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    model = torchvision.models.get_model(name, weights=None).eval()
    signals = Signals(classifier_of(model, cam_layer=layer), batch_of(torch.rand(2, 3, size, size)))
    for method in methods:
        ours = KIN[method](signals)
        twin = copy.deepcopy(model)  # it leaves gradients behind
        with getattr(oracle, method)(twin, [twin.get_submodule(layer)]) as cam:
            wanted = [targets.ClassifierOutputTarget(k) for k in signals.target_B.tolist()]
            theirs = torch.from_numpy(cam(input_tensor=signals.normalised_BCHW, targets=wanted))
        low_B11 = ours.amin((1, 2), keepdim=True)
        scaled = (ours - low_B11) / (ours.amax((1, 2), keepdim=True) - low_B11)
        assert theirs.max() > 0.99, method
        torch.testing.assert_close(scaled, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet18", "layer4.1"), pytest.param("vgg11", "features.19", marks=pytest.mark.slow)],
)
def test_grad_cam_equals_pytorch_grad_cam_up_to_its_scaling(name: str, layer: str) -> None:
    compare_with_pytorch_grad_cam(name, layer, 96, tuple(KIN))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "layer"), [("resnet50", "layer4.2"), ("vgg16", "features.29")])
def test_grad_cam_equals_pytorch_grad_cam_at_full_size(name: str, layer: str) -> None:
    compare_with_pytorch_grad_cam(name, layer, 224)
