"""One model of each family of CNNs: whatever an explainer reads of a model is there and right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.explainers.cam import GradCAM
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from tests.support.toys import batch_of, images, untouched

ALL = frozenset({"gradient", "guided_gradient", "layer"})
CPU = torch.device("cpu")
WITH_RELU = {
    "alexnet": 64,
    "densenet121": 64,
    "googlenet": 64,
    "inception_v3": 96,
    "mnasnet0_5": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "regnet_y_400mf": 64,
    "resnet18": 64,
    "resnext50_32x4d": 64,
    "shufflenet_v2_x0_5": 64,
    "squeezenet1_1": 64,
    "vgg11": 64,
    "timm/densenet121": 64,
    "timm/mobilenetv3_small_050": 64,
    "timm/regnetx_002": 64,
    "timm/resnet18": 64,
    "timm/resnet50_clip": 224,
    "timm/test_nfnet": 64,
}
"""Name -> size of an image that it takes."""
WITHOUT_RELU = {
    "convnext_tiny": 64,
    "efficientnet_b0": 64,
    "timm/convnext_atto": 64,
    "timm/efficientnet_b0": 64,
}
TRANSFORMERS = {"vit_b_32": 224, "timm/vit_tiny_patch16_224": 224, "timm/swin_s3_tiny_224": 224}


def classifier_of(name: str, **fields: Any) -> Classifier:
    spec = ModelSpec(architecture=name, weights="random:1", num_classes=7, **fields)
    return load_classifier(spec, device=CPU, batch_size=4)


def growth(classifier: Classifier, signals: Signals, index: int) -> tuple[float, float]:
    """How much a target's logit grows with a shift of the layer's output: foretold, and measured.

    Active units move along their gradient; max pooling has no derivative where units tie at 0.
    """
    target, x_1CHW = signals.target_B[index], signals.normalised_BCHW[index : index + 1]
    active_Fhw = signals.layer_activation_BFhw[index] > 0
    gradient_Fhw = signals.layer_gradient_BFhw[index] * active_Fhw
    _, layer = classifier.layer(signals.batch.image_BCHW[:1])
    logits: list[float] = []
    step = 0.0

    def shift(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output + step * gradient_Fhw

    handle = layer.register_forward_hook(shift)
    for sign in (0, 1, -1):
        with torch.no_grad():
            step = sign * 0.001 * abs(logits[0]) / float(gradient_Fhw.square().sum()) if sign else 0
            logits.append(float(classifier.model(x_1CHW.clone())[0, target]))
    handle.remove()
    return 0.002 * abs(logits[0]), logits[1] - logits[2]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [*WITH_RELU.items(), *WITHOUT_RELU.items()])
def test_every_signal_of_a_family(name: str, size: int) -> None:
    classifier = classifier_of(name)
    batch = batch_of(images(2, size))
    needs = ALL if name in WITH_RELU else ALL - {"guided_gradient"}
    with untouched(classifier.model, batch.image_BCHW):
        signals = Signals(classifier, batch, needs)
        found = [signals.gradient_BCHW]
        found += [signals.guided_gradient_BCHW] if name in WITH_RELU else []
    for gradient_BCHW in found:
        assert gradient_BCHW.shape == batch.image_BCHW.shape
        assert gradient_BCHW.isfinite().all()
        assert (gradient_BCHW.abs().amax((1, 2, 3)) > 0).all()
    assert signals.layer_activation_BFhw.shape == signals.layer_gradient_BFhw.shape
    assert min(signals.layer_activation_BFhw.shape[2:]) > 1
    for index in range(2):
        foretold, measured = growth(classifier, signals, index)
        assert measured == pytest.approx(foretold, rel=0.05)
    assert GradCAM()(signals).shape == (2, size, size)
    if name in WITHOUT_RELU:
        with pytest.raises(ValueError, match="guided backpropagation needs ReLUs"):
            _ = signals.guided_gradient_BCHW


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), TRANSFORMERS.items())
def test_a_transformer_has_no_layer_of_its_own_accord(name: str, size: int) -> None:
    batch = batch_of(images(1, size))
    with pytest.raises(ValueError, match="few layers of the model put out a spatial map; name one"):
        GradCAM()(Signals(classifier_of(name), batch))
    layer = "conv_proj" if name == "vit_b_32" else "patch_embed.proj"
    named = Signals(classifier_of(name, cam_layer=layer), batch)
    assert GradCAM()(named).shape == (1, size, size)
    assert named.gradient_BCHW.isfinite().all()
