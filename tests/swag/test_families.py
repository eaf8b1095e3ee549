"""One model of each family of CNNs: whatever an explainer reads of a model is there and right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam as peer
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.explainers.cam import GradCAM
from swag.layers import layout_of
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
TRANSFORMERS = {
    "swin_t": ("permute", (7, 7)),
    "vit_b_32": ("encoder.ln", (7, 7)),  # its head begins with zeros
    "timm/beit_base_patch16_224": ("blocks.11.norm2", (14, 14)),
    "timm/cait_xxs24_224": ("blocks_token_only.1.norm1", (14, 14)),
    "timm/deit_tiny_distilled_patch16_224": ("blocks.11.norm1", (14, 14)),
    "timm/eva02_tiny_patch14_224": ("blocks.11.norm2", (16, 16)),
    "timm/levit_128s": ("stages.2.blocks.3.mlp.ln2", (4, 4)),
    "timm/pit_ti_224": ("transformers.2.blocks.3.norm1", (7, 7)),
    "timm/swin_s3_tiny_224": ("norm", (7, 7)),
    "timm/twins_svt_small": ("norm", (7, 7)),
    "timm/vit_tiny_patch16_224": ("blocks.11.norm1", (14, 14)),
}
"""Name -> the layer that Grad-CAM takes, and the cells of its map, for images of 224x224."""


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
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformers_tokens_are_a_map(name: str) -> None:
    classifier = classifier_of(name)
    signals = Signals(classifier, batch_of(images(2, 224)), ALL - {"guided_gradient"})
    layer, cells = TRANSFORMERS[name]
    assert signals.layer_activation_BFhw.shape[2:] == signals.layer_gradient_BFhw.shape[2:] == cells
    assert classifier.cam_layer == layer
    if layer != "encoder.ln":
        for index in range(2):
            assert signals.layer_gradient_BFhw[index].abs().max() > 0
    assert GradCAM()(signals).shape == (2, 224, 224)
    assert signals.gradient_BCHW.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "prefix"),
    [("timm/vit_tiny_patch16_224", 1), ("timm/deit_tiny_distilled_patch16_224", 2)],
)
def test_grad_cam_of_tokens_is_the_peers(name: str, prefix: int) -> None:
    classifier = classifier_of(name)
    signals = Signals(classifier, batch_of(images(2, 224)))

    def reshape(output_BNF: Tensor) -> Tensor:
        return output_BNF[:, prefix:].unflatten(1, (14, 14)).permute(0, 3, 1, 2)

    layer = classifier.model.get_submodule("blocks.11.norm1")
    with peer.GradCAM(classifier.model, [layer], reshape_transform=reshape) as cam:
        wanted = [ClassifierOutputTarget(int(target)) for target in signals.target_B]
        theirs_BHW = cam(signals.normalised_BCHW.clone().requires_grad_(), wanted)
    ours_BHW = GradCAM()(signals)
    # The peer scales each map to 0 to 1 before it interpolates.
    lowest, highest = ours_BHW.amin((1, 2), keepdim=True), ours_BHW.amax((1, 2), keepdim=True)
    scaled_BHW = (ours_BHW - lowest) / (highest - lowest)
    assert np.corrcoef(scaled_BHW.flatten(), theirs_BHW.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((2, 197, 192), (224, 224), ("tokens", 14, 14, 1)),
        ((2, 201, 192), (224, 224), ("tokens", 14, 14, 5)),
        ((2, 196, 192), (224, 224), ("tokens", 14, 14, 0)),
        ((2, 99, 8), (224, 112), ("tokens", 14, 7, 1)),
        ((2, 7, 7, 768), (224, 224), ("channels last", 7, 7, 0)),
        ((2, 768, 7, 7), (224, 224), ("channels first", 7, 7, 0)),
        ((2, 7, 4, 768), (224, 112), ("channels last", 7, 4, 0)),
        ((2, 768), (224, 224), None),
        ((2, 23, 8), (224, 224), ("tokens", 4, 4, 7)),
        ((2, 1000, 8), (224, 224), None),
    ],
)
def test_where_a_map_is_in_an_output(
    shape: tuple[int, ...], size: tuple[int, int], expected: tuple[Any, ...] | None
) -> None:
    assert layout_of(shape, size) == expected


def test_rows_of_patches_are_rows_of_the_map() -> None:
    cells = torch.arange(6.0).view(1, 2, 3)
    tokens = torch.cat([torch.full((1, 1), -1.0), cells.view(1, 6)], 1)[..., None]
    layout = layout_of(tokens.shape, (20, 30))
    assert layout is not None
    torch.testing.assert_close(layout.map_BFhw(tokens)[:, 0], cells)
