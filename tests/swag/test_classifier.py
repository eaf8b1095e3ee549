"""The classifier's settings, passes, constants and its choice of Grad-CAM's layer."""

from __future__ import annotations

import warnings

import pytest
import torch
import torchvision
from torch import Tensor, nn

from swag.classifier import IMAGENET_MEAN, IMAGENET_STD, Classifier, frozen
from swag.layers import last_layer
from tests.support.toys import Counted, batch_of, classifier_of, images, toy, toy_cnn, untouched


def test_normalises_by_channel() -> None:
    image_BCHW = torch.rand(2, 3, 4, 4)
    expected = torchvision.transforms.functional.normalize(image_BCHW, IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(Classifier(toy_cnn()).normalise(image_BCHW), expected)


def test_probabilities_are_the_softmax_in_chunks() -> None:
    model, x_NCHW = Counted(toy_cnn()), torch.randn(7, 3, 16, 16)
    with untouched(model, x_NCHW):
        found = classifier_of(model, batch_size=3).probabilities(x_NCHW)
    assert model.forwards == [3, 3, 1]
    torch.testing.assert_close(found, toy_cnn()(x_NCHW).softmax(1))
    assert not found.requires_grad


def test_a_constant_image_is_computed_once_per_value_and_size() -> None:
    model = Counted(toy_cnn())
    classifier = classifier_of(model)
    zero_CHW = torch.zeros(3, 1, 1).expand(3, 16, 16)
    first_K = classifier.constant_logit_K(zero_CHW)
    assert classifier.constant_logit_K(zero_CHW.clone()) is first_K
    assert model.forwards == [1]
    torch.testing.assert_close(first_K, toy_cnn()(torch.zeros(1, 3, 16, 16))[0])
    assert not torch.equal(classifier.constant_logit_K(zero_CHW + 1), first_K)
    classifier.constant_logit_K(torch.zeros(3, 8, 8))
    assert model.forwards == [1, 1, 1]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_refused(batch_size: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1, got {batch_size}"):
        Classifier(toy_cnn(), batch_size=batch_size)


def test_training_mode_is_refused_wherever_it_hides() -> None:
    model = toy_cnn()
    model[3].train()
    with pytest.raises(ValueError, match=r"training mode; call model\.eval\(\)"):
        Classifier(model)


def test_frozen_gives_each_module_its_mode_back() -> None:
    model = toy_cnn()
    model[3].train()

    def fail() -> None:
        with frozen(model):
            assert not any(module.training for module in model.modules())
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert [module.training for module in model.modules()].count(True) == 1
    assert model[3].training


@pytest.mark.parametrize(
    ("name", "size", "layer", "cells"),
    [
        pytest.param("vgg16", 224, "features.29", 14, marks=pytest.mark.slow),
        ("resnet50", 224, "layer4.2", 7),
        ("resnet50", 32, "layer3.5", 2),  # layer4.0's ReLU runs three times, once on a larger map
        ("shufflenet_v2_x0_5", 32, "stage3.7", 2),  # and no branch of a block
        ("googlenet", 224, "inception5b", 7),
        ("densenet121", 224, "features.norm5", 7),
        ("mobilenet_v2", 224, "features.18.2", 7),
        ("squeezenet1_1", 224, "features.12", 13),  # and not the class maps of its head
    ],
)
def test_the_layer_found_is_the_paper_s(name: str, size: int, layer: str, cells: int) -> None:
    options = {"init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **options).eval()
    sizes: list[tuple[int, ...]] = []
    assert last_layer(model, torch.zeros(1, 3, size, size)) == layer
    module = model.get_submodule(layer)
    module.register_forward_hook(lambda _m, _i, output: sizes.append(output.shape[2:]))
    with torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    assert sizes == [(cells, cells)]


def test_class_maps_are_no_features() -> None:
    """Their gradient is the same in every cell, so that Grad-CAM++ is Grad-CAM."""
    head = nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), *head).eval()
    assert last_layer(model, torch.zeros(1, 3, 16, 16)) == "1"
    dense = nn.Sequential(*list(model)[:-1], nn.Flatten(), nn.Linear(4, 4)).eval()
    assert last_layer(dense, torch.zeros(1, 3, 16, 16)) == "3", "as many channels as classes"


def test_where_every_module_is_a_branch_the_last_is_taken() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((self.one(x) + self.two(x)).mean((2, 3)))

    assert last_layer(Split().eval(), torch.zeros(1, 3, 8, 8)) == "two"


def test_the_layer_is_looked_for_without_a_trace() -> None:
    classifier, image_1CHW = toy(), images(1)
    with untouched(classifier.model, image_1CHW):
        name, module = classifier.layer(image_1CHW)
    assert (name, module) == ("4", classifier.model.get_submodule("4"))
    assert classifier.cam_layer == "4"


def test_a_layer_that_is_not_there_is_named_beside_those_that_are() -> None:
    classifier = classifier_of(toy_cnn(), cam_layer="features.29")
    with pytest.raises(ValueError, match=r"no layer 'features\.29'.* 3, 4, 5, 6, 7$"):
        classifier.layer(images(1))


def test_a_model_without_maps_is_refused() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 2)).eval()
    with pytest.raises(ValueError, match=r"no layer .* spatial map; name one with cam_layer"):
        classifier_of(model).layer(images(1, 4))


def test_a_model_without_weights_runs_on_the_cpu() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier = classifier_of(Mean().eval())
    assert classifier.device == torch.device("cpu")
    assert classifier.probabilities(images(2, 4)).shape == (2, 3)


def test_images_must_be_in_the_unit_range() -> None:
    for image_BCHW, message in (
        (images(1) * 255, r"not 0\.\.255"),
        (images(1) - 1, "not normalised"),
        (images(1).int(), "must be float"),
        (images(1)[0], r"shape \(B, C, H, W\), got \(3, 32, 32\)"),
        (images(1) * float("nan"), "must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            batch_of(image_BCHW)


@pytest.mark.parametrize(
    "target_B", [torch.tensor([0]), torch.tensor([[0, 1]]), torch.tensor([0.0, 1.0])]
)
def test_targets_must_be_one_class_per_image(target_B: Tensor) -> None:
    with pytest.raises(ValueError, match=r"int64 of shape \(2,\), got"):
        batch_of(images(2), target_B=target_B)
