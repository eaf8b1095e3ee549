"""Attention explanations against literal loops over probabilities that others' hooks give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import swag
from swag.attention import recorded_attention
from swag.classifier import Classifier
from swag.explainers import AttentionRollout, GenericAttention, LeGrad
from swag.models import ModelSpec, load_classifier
from swag.protocols import Explainer
from swag.signals import Signals
from swag.towers import tower_of
from tests.support.toys import batch_of, classifier_of, images, toy_cnn, toy_vit

EXPLAINERS_OF: dict[str, Explainer] = {
    "rollout": AttentionRollout(),
    "generic": GenericAttention(),
    "legrad": LeGrad(),
}
SIZE, CELLS = 64, 4


def small(name: str) -> Classifier:
    """A vision transformer of each of three packages."""
    if name == "hf":
        from transformers import ViTConfig, ViTForImageClassification  # noqa: PLC0415

        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
            image_size=SIZE, patch_size=16, initializer_range=0.2,
        )  # fmt: skip
        model: nn.Module = ViTForImageClassification(config)
    elif name == "torchvision":
        from torchvision.models import VisionTransformer  # noqa: PLC0415

        torch.manual_seed(0)
        model = VisionTransformer(SIZE, 16, 2, 2, 32, 64, num_classes=4)
        nn.init.normal_(model.heads.head.weight)  # type: ignore[union-attr, arg-type]
    else:
        import timm  # noqa: PLC0415

        torch.manual_seed(0)
        model = timm.create_model("test_vit", img_size=SIZE, num_classes=4)
    return classifier_of(model.eval().requires_grad_(requires_grad=False))


@contextmanager
def timms_own(model: Any) -> Iterator[list[Tensor]]:
    """The probabilities that timm's unfused attention hands to its dropout."""
    found: list[Tensor] = []
    for block in model.blocks:
        block.attn.fused_attn = False
    handles = [
        block.attn.attn_drop.register_forward_hook(lambda _m, _i, out: found.append(out))
        for block in model.blocks
    ]
    try:
        yield found
    finally:
        for handle, block in zip(handles, model.blocks, strict=True):
            handle.remove()
            block.attn.fused_attn = True


def literal_rollout(attention: list[Tensor], image: int) -> Tensor:
    size = attention[0].shape[-1]
    result = torch.eye(size)
    for layer in attention:
        mean = torch.zeros(size, size)
        for head in range(layer.shape[1]):
            mean += layer[image, head].detach() / layer.shape[1]
        mixed = mean + torch.eye(size)
        result = (mixed / mixed.sum(-1, keepdim=True)) @ result
    return result[0, 1:].view(CELLS, CELLS)


def literal_generic(attention: list[Tensor], gradients: list[Tensor], image: int) -> Tensor:
    size = attention[0].shape[-1]
    result = torch.eye(size)
    for layer, gradient in zip(attention, gradients, strict=True):
        cam = (gradient[image] * layer[image].detach()).clamp(min=0).mean(0)
        result = result + cam @ result
    return result[0, 1:].view(CELLS, CELLS)


@pytest.mark.parametrize("kind", ["rollout", "generic"])
def test_equals_a_loop_over_timms_own_probabilities(kind: str) -> None:
    classifier = small("timm")
    signals = Signals(classifier, batch_of(images(2, SIZE)))
    found_BHW = EXPLAINERS_OF[kind](signals)
    with torch.enable_grad(), timms_own(classifier.model) as attention:
        x_BCHW = signals.normalised_BCHW.clone().requires_grad_()
        logit_BK = classifier.model(x_BCHW)
        score = logit_BK.gather(1, signals.target_B[:, None]).sum()
        gradients = list(torch.autograd.grad(score, attention))
    assert len(attention) == len(classifier.model.blocks)  # type: ignore[arg-type]
    for image in range(2):
        if kind == "rollout":
            map_hw = literal_rollout(attention, image)
        else:
            map_hw = literal_generic(attention, gradients, image)
        expected_HW = F.interpolate(
            map_hw[None, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False
        )[0, 0]
        torch.testing.assert_close(found_BHW[image], expected_HW, rtol=1e-3, atol=1e-7)
        assert expected_HW.max() > expected_HW.min()


def test_legrad_equals_a_loop_over_timms_blocks() -> None:
    classifier = small("timm")
    model: Any = classifier.model
    signals = Signals(classifier, batch_of(images(2, SIZE)))
    found_BHW = LeGrad()(signals)
    maps = torch.zeros(2, CELLS * CELLS)
    with torch.enable_grad(), timms_own(model) as attention:
        tokens_BNF = model._pos_embed(model.patch_embed(signals.normalised_BCHW))
        tokens_BNF = model.norm_pre(tokens_BNF.requires_grad_())
        for number, block in enumerate(model.blocks):
            tokens_BNF = block(tokens_BNF)
            logit_BK = model.head(model.fc_norm(model.norm(tokens_BNF.mean(1))))
            for image in range(2):
                score = logit_BK[image, signals.target_B[image]]
                (gradient,) = torch.autograd.grad(score, attention[number], retain_graph=True)
                heads = gradient[image].clamp(min=0)
                maps[image] += heads.sum((0, 1))[1:] / (heads.shape[0] * heads.shape[1])
    expected_BHW = F.interpolate(
        (maps / len(model.blocks)).view(2, 1, CELLS, CELLS), size=(SIZE, SIZE), mode="bilinear"
    )[:, 0]
    torch.testing.assert_close(found_BHW, expected_BHW, rtol=1e-3, atol=1e-8)
    assert expected_BHW.max() > expected_BHW.min()


def test_legrad_equals_torchcams() -> None:
    from torchcam.methods import LeGrad as Original  # noqa: PLC0415

    classifier = small("torchvision")
    model: Any = classifier.model
    image_BCHW = images(2, SIZE)
    found_BHW = swag.explain(classifier, image_BCHW, method="legrad", target=2)
    with torch.enable_grad(), Original(model, list(model.encoder.layers)) as original:
        scores = model(classifier.normalise(image_BCHW).requires_grad_())
        (grid_Bhw,) = original(2, scores, normalized=False)
    expected_BHW = F.interpolate(grid_Bhw[:, None], size=(SIZE, SIZE), mode="bilinear")[:, 0]
    torch.testing.assert_close(found_BHW, expected_BHW, rtol=1e-3, atol=1e-8)


def test_legrad_wants_blocks_and_a_head_of_one_token() -> None:
    with pytest.raises(ValueError, match="not built as the vision transformers"):
        swag.explain(toy_cnn(), images(1), method="legrad")
    model = toy_vit()
    model.norm, model.head = cast(Any, nn.LayerNorm(8)), nn.Linear(16, 5)
    with pytest.raises(ValueError, match="takes 16 numbers and a token has 8"):
        tower_of(model)
    model = toy_vit()
    model.blocks.append(nn.Identity())
    with pytest.raises(ValueError, match="3 blocks and 2 layers of attention"):
        swag.explain(model, images(1), method="legrad")


@pytest.mark.parametrize("name", ["timm", "torchvision", "hf"])
def test_every_packages_attention_is_found(name: str) -> None:
    classifier = small(name)
    x_BCHW = classifier.normalise(images(2, SIZE))
    with torch.enable_grad(), recorded_attention() as found:
        logit_BK = classifier.logits(x_BCHW.clone().requires_grad_())
    assert len(found) >= 2
    for layer in found:
        assert layer.shape[0] == 2
        torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:-1]))
        (gradient,) = torch.autograd.grad(logit_BK[:, 0].sum(), layer, retain_graph=True)
        assert float(gradient.abs().max()) > 0
    torch.testing.assert_close(logit_BK, classifier.all_logits(x_BCHW), rtol=1e-4, atol=1e-5)
    for explainer in EXPLAINERS_OF.values():
        map_BHW = explainer(Signals(classifier, batch_of(images(2, SIZE))))
        assert map_BHW.shape == (2, SIZE, SIZE)
        assert all(map_HW.unique().numel() > 1 for map_HW in map_BHW)


def test_torchvisions_probabilities_are_its_own() -> None:
    classifier = small("torchvision")
    handed: list[Tensor] = []
    layers: Any = classifier.model.encoder.layers  # type: ignore[union-attr]
    for layer in layers:
        layer.self_attention.register_forward_pre_hook(lambda _m, args: handed.append(args[0]))
    x_BCHW = classifier.normalise(images(2, SIZE))
    with torch.enable_grad(), recorded_attention() as found:
        classifier.logits(x_BCHW.clone().requires_grad_())
    for layer, tokens, attention in zip(layers, handed, found, strict=True):
        _, expected = nn.MultiheadAttention.forward(
            layer.self_attention, tokens, tokens, tokens, need_weights=True,
            average_attn_weights=False,
        )  # fmt: skip
        torch.testing.assert_close(attention, expected, rtol=1e-4, atol=1e-6)


def test_masks_and_scales_are_heeded() -> None:
    query, key, value = torch.randn(3, 2, 2, 4, 8).unbind()
    hidden = torch.ones(4, 4, dtype=torch.bool).tril()
    bias = torch.randn(2, 2, 4, 4)
    cases: list[dict[str, Any]] = [{}, {"scale": 0.3}, {"attn_mask": hidden}, {"attn_mask": bias}]
    for options in cases:
        expected = F.scaled_dot_product_attention(query, key, value, **options)
        with recorded_attention() as found:
            ours = F.scaled_dot_product_attention(query, key, value, **options)
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)
        assert len(found) == 1


def test_functions_are_put_back() -> None:
    before = (F.scaled_dot_product_attention, F.softmax, torch.softmax, Tensor.softmax)
    with pytest.raises(ArithmeticError), recorded_attention():
        raise ArithmeticError
    assert before == (F.scaled_dot_product_attention, F.softmax, torch.softmax, Tensor.softmax)


def test_rollout_knows_no_class_and_generic_attention_does() -> None:
    model, image = toy_vit(), images(1)
    maps = {
        (kind, target): swag.explain(model, image, method=explainer, target=target)
        for kind, explainer in EXPLAINERS_OF.items()
        for target in (0, 1)
    }
    assert torch.equal(maps["rollout", 0], maps["rollout", 1])
    assert not torch.allclose(maps["generic", 0], maps["generic", 1])


def test_what_cannot_be_multiplied_is_said() -> None:
    with pytest.raises(ValueError, match="computes no attention among tokens"):
        swag.explain(toy_cnn(), images(1), method="attention_rollout")


@pytest.mark.slow
def test_attention_of_windows_is_refused() -> None:
    spec = ModelSpec(architecture="timm/swin_s3_tiny_224", weights="random:0", num_classes=4)
    classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=2)
    with pytest.raises(ValueError, match="attend within windows"):
        swag.explain(classifier, images(1, 224), method="generic_attention")
