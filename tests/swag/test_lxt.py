"""lxt's methods: what lxt itself finds, and nothing left behind.

All are skipped where lxt cannot be imported, as beside transformers 5.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer
from zennit.core import BasicHook

import swag
from swag.adapters.adapted import Adapted
from swag.adapters.of_lxt import GAMMAS, METHODS, ruled
from swag.classifier import Classifier
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from swag.types import Batch
from tests.support.processes import python
from tests.support.toys import toy_cnn, untouched

WATCHED = (nn.GELU, nn.LayerNorm, nn.MultiheadAttention, nn.Linear, nn.Conv2d, BasicHook)
RECIPE = """
import torch
from torchvision.models import vision_transformer
from zennit.composites import LayerMapComposite
import zennit.rules as z_rules
from lxt.efficient import monkey_patch, monkey_patch_zennit

monkey_patch(vision_transformer)
monkey_patch_zennit()
model, x_1CHW, target, conv_gamma, lin_gamma = torch.load({given!r}, weights_only=False)
composite = LayerMapComposite([
    (torch.nn.Conv2d, z_rules.Gamma(conv_gamma)),
    (torch.nn.Linear, z_rules.Gamma(lin_gamma)),
])
composite.register(model)
y = model(x_1CHW.requires_grad_())
y[0, target].backward()
composite.remove()
torch.save((x_1CHW * x_1CHW.grad).sum(1).detach(), {found!r})
"""
"""The example of lxt's documentation, which changes classes for good: for a process of its own."""


@pytest.fixture(autouse=True)
def lxt() -> None:
    try:
        import lxt.efficient  # noqa: PLC0415
    except ImportError as error:
        pytest.skip(f"lxt is not imported: {error}")
    assert lxt.efficient.monkey_patch


def transformer() -> VisionTransformer:
    torch.manual_seed(0)
    shape: dict[str, int] = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    model = VisionTransformer(32, 16, num_classes=5, **shape)
    nn.init.normal_(model.heads.head.weight)  # zeros, before a training
    for parameter in model.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return model.eval().requires_grad_(requires_grad=False)


def signals_of(model: nn.Module, count: int = 2) -> Signals:
    images_BCHW = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    names = ("a", "b")[:count]
    return Signals(Classifier(model), Batch(images_BCHW[:count], names))


@pytest.mark.slow
@pytest.mark.parametrize("gammas", [{}, {"conv_gamma": 100.0, "lin_gamma": 0.0}])
def test_cp_lrp_is_lxts_own_recipe(tmp_path: Path, gammas: dict[str, float]) -> None:
    signals = signals_of(transformer())
    found_BHW = Adapted(method="lxt:CP_LRP", parameters=gammas)(signals)
    given, found = tmp_path / "given.pt", tmp_path / "found.pt"
    x_1CHW, target = signals.normalised_BCHW[1:].clone(), int(signals.target_B[1])
    torch.save((transformer(), x_1CHW, target, *{**GAMMAS, **gammas}.values()), given)
    done = python(RECIPE.format(given=str(given), found=str(found)))
    assert done.returncode == 0, done.stderr
    theirs_1HW: Tensor = torch.load(found)
    assert theirs_1HW.unique().numel() > 100
    torch.testing.assert_close(found_BHW[1:], theirs_1HW, rtol=1e-5, atol=1e-7)


def test_attn_lrp_of_one_attention_is_the_papers() -> None:
    """Its rules of softmax, product and linear layer, entry by entry: one head, no biases."""
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(4, 1, bias=False, batch_first=True).double().eval()
    nn.init.eye_(layer.out_proj.weight)
    layer.requires_grad_(requires_grad=False)
    x_1NF = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    upper_NF = torch.randn(3, 4, dtype=torch.float64)
    with ruled(layer, "AttnLRP"):
        out_1NF = layer(x_1NF, x_1NF, x_1NF, need_weights=False)[0]
    (gradient_1NF,) = torch.autograd.grad(out_1NF, x_1NF, upper_NF[None])
    relevance_NF = (out_1NF[0] * upper_NF).detach()
    expected_NF = by_hand(layer.in_proj_weight, x_1NF[0].detach(), relevance_NF)
    torch.testing.assert_close((x_1NF * gradient_1NF)[0].detach(), expected_NF)


def by_hand(weight: Tensor, x_NF: Tensor, relevance_NF: Tensor) -> Tensor:
    wq, wk, wv = weight.chunk(3)
    q, k, v = x_NF @ wq.T, x_NF @ wk.T, x_NF @ wv.T
    scores = q @ k.T / 2  # of four features
    shares = scores.softmax(1)
    out = shares @ v
    tokens, features = x_NF.shape
    of_q, of_k, of_v, of_shares = (torch.zeros_like(each) for each in (q, k, v, shares))
    for i in range(tokens):
        for j in range(tokens):
            for f in range(features):
                half = shares[i, j] * v[j, f] * relevance_NF[i, f] / (2 * out[i, f])
                of_shares[i, j] += half
                of_v[j, f] += half
    of_scores = scores * (of_shares - shares * of_shares.sum(1, keepdim=True))
    for i in range(tokens):
        for j in range(tokens):
            for f in range(features):
                half = q[i, f] * k[j, f] / 2 * of_scores[i, j] / (2 * scores[i, j])
                of_q[i, f] += half
                of_k[j, f] += half
    found = torch.zeros_like(x_NF)
    for matrix, values, relevance in ((wq, q, of_q), (wk, k, of_k), (wv, v, of_v)):
        found += x_NF * ((relevance / values) @ matrix)
    return found


def test_cp_lrp_without_biases_adds_up_to_the_logit() -> None:
    model = transformer()
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and name.endswith("bias"):
            parameter.zero_()
    model.class_token.zero_()
    model.encoder.pos_embedding.zero_()
    signals = signals_of(model)
    logit_B = signals.logit_BK.gather(1, signals.target_B[:, None])[:, 0]
    sum_B = Adapted(method="lxt:CP_LRP")(signals).sum((1, 2))
    torch.testing.assert_close(sum_B, logit_B, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_no_class_is_changed(method: str) -> None:
    """Neither afterwards nor meanwhile, when another thread may ask for a gradient."""
    before = [dict(vars(kind)) for kind in WATCHED]
    model = transformer()
    signals = signals_of(model)
    gradient_BCHW = signals.gradient_BCHW
    cnn = signals_of(toy_cnn().eval().requires_grad_(requires_grad=False))
    relevance_BHW = Adapted(method="zennit:EpsilonPlusFlat")(cnn)
    seen = []

    def look(*_: Any) -> None:
        seen.append([dict(vars(kind)) for kind in WATCHED] == before)

    model.encoder.layers[1].mlp[1].register_forward_hook(look)
    with untouched(model, signals.batch.image_BCHW):
        Adapted(method=f"lxt:{method}")(signals)
    assert seen
    assert all(seen)
    for kind, attributes in zip(WATCHED, before, strict=True):
        assert vars(kind).keys() == attributes.keys()
        assert all(vars(kind)[name] is value for name, value in attributes.items())
    assert torch.equal(signals_of(model).gradient_BCHW, gradient_BCHW)
    cnn = signals_of(cnn.classifier.model)
    assert torch.equal(Adapted(method="zennit:EpsilonPlusFlat")(cnn), relevance_BHW)


@pytest.mark.parametrize("fails", [False, True])
def test_layers_are_what_they_were(fails: bool) -> None:
    model = transformer()
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(KeyError) if fails else nullcontext(), ruled(model, "AttnLRP"):
        ruled_kinds = [type(module) for module in model.modules()]
        changed = {kind.__name__ for kind in ruled_kinds if kind not in kinds}
        assert changed == {"GELU", "LayerNorm", "MultiheadAttention"}
        if fails:
            raise KeyError
    assert [type(module) for module in model.modules()] == kinds
    assert not any({"forward", "original_forward"} & vars(m).keys() for m in model.modules())


def test_the_methods_differ_and_take_their_gammas() -> None:
    signals = signals_of(transformer())
    plain_BHW = (signals.gradient_BCHW * signals.normalised_BCHW).sum(1)
    maps = [plain_BHW]
    for parameters in ({}, {"conv_gamma": 1.0}, {"lin_gamma": 1.0}):
        maps += [Adapted(method=f"lxt:{name}", parameters=parameters)(signals) for name in METHODS]
    scale = float(plain_BHW.abs().max())
    for index, first in enumerate(maps):
        assert all(float((first - other).abs().max()) > 1e-4 * scale for other in maps[:index])


@pytest.mark.parametrize("method", METHODS)
def test_an_image_is_explained_by_itself(method: str) -> None:
    model = transformer()
    both_BHW = Adapted(method=f"lxt:{method}")(signals_of(model))
    alone_1HW = swag.explain(model, signals_of(model).batch.image_BCHW[:1], method=f"lxt:{method}")
    assert torch.equal(both_BHW[:1], alone_1HW)


@pytest.mark.parametrize("architecture", ["resnet18", "swin_t"])
def test_other_networks_are_refused(architecture: str) -> None:
    spec = ModelSpec(architecture=architecture, weights="random:0", num_classes=3)
    classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=2)
    signals = Signals(classifier, Batch(torch.rand(1, 3, 64, 64), ("a",)))
    with pytest.raises(ValueError, match=r"takes torchvision's vision transformers only, got \w+:"):
        Adapted(method="lxt:AttnLRP")(signals)


def test_what_is_stored_names_both_libraries() -> None:
    explainer = Adapted(method="lxt:AttnLRP")
    assert explainer.library.startswith("lxt ")
    assert ", zennit " in explainer.library
    with pytest.raises(ValueError, match="takes no gamma; it takes conv_gamma, lin_gamma"):
        Adapted(method="lxt:AttnLRP", parameters={"gamma": 1})
