"""Models small enough to work out by hand, the images they see, and what watches over them."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from swag.classifier import Classifier
from swag.explainers import (
    AttentionRollout,
    GenericAttention,
    IntegratedGradients,
    LeGrad,
    VanillaGradient,
)
from swag.signals import Signals
from swag.toys import MEAN, STD, Counted, dyadic
from swag.toys import small_cnn as toy_cnn
from swag.toys import small_images as images
from swag.types import Batch, Score

__all__ = ["MEAN", "STD", "Counted", "dyadic", "images", "toy_cnn"]
FEW = 12


def batch_of(image_BCHW: Tensor, **fields: Any) -> Batch:
    names = tuple(f"image-{index}" for index in range(len(image_BCHW)))
    return Batch(image_BCHW=image_BCHW, image_ids=fields.pop("image_ids", names), **fields)


def annotated(image_BCHW: Tensor) -> Batch:
    """A batch with everything that a data set may know of its images."""
    count, _, height, width = image_BCHW.shape
    mask_BHW = torch.zeros(count, height, width, dtype=torch.bool)
    mask_BHW[:, 4:12, 6:20] = True
    box = torch.tensor([[6.0, 4.0, 20.0, 12.0]])
    return batch_of(
        image_BCHW,
        seed=3,
        label_B=torch.arange(count) % 5,
        boxes=(box,) * count,
        mask_BHW=mask_BHW,
    )


def take(batch: Batch, index: Sequence[int]) -> Batch:
    """The same images as a batch of their own, in the given order."""
    rows = torch.tensor(index)
    return Batch(
        image_BCHW=batch.image_BCHW[rows],
        image_ids=tuple(batch.image_ids[i] for i in index),
        target_B=None if batch.target_B is None else batch.target_B[rows],
        seed=batch.seed,
        label_B=None if batch.label_B is None else batch.label_B[rows],
        boxes=None if batch.boxes is None else tuple(batch.boxes[i] for i in index),
        mask_BHW=None if batch.mask_BHW is None else batch.mask_BHW[rows],
    )


class ToyBlock(nn.Module):
    """Attention among all tokens and a layer for each."""

    def __init__(self, qkv: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.norm, self.qkv, self.mlp = nn.LayerNorm(8), qkv, mlp

    def forward(self, x_BNF: Tensor) -> Tensor:
        heads = self.qkv(self.norm(x_BNF)).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads)
        x_BNF = x_BNF + mixed.transpose(1, 2).flatten(2)
        found: Tensor = x_BNF + self.mlp(x_BNF)
        return found


class ToyViT(nn.Module):
    """A vision transformer in miniature: patches of 8x8, a class token, two blocks."""

    def __init__(self, channels: int = 3, num_classes: int = 5) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, 8, 8, stride=8)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        qkvs = [nn.Linear(8, 24) for _ in range(2)]
        mlps = [nn.Sequential(nn.Linear(8, 8), nn.GELU()) for _ in range(2)]
        self.blocks = nn.ModuleList(map(ToyBlock, qkvs, mlps))
        self.norm = nn.Identity()
        self.head = nn.Linear(8, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        patches_BNF = self.embed(x_BCHW).flatten(2).transpose(1, 2)
        x_BNF = torch.cat([self.token.expand(len(x_BCHW), -1, -1), patches_BNF], 1)
        for block in self.blocks:
            x_BNF = block(x_BNF)
        found: Tensor = self.head(self.norm(x_BNF)[:, 0])
        return found


def toy_vit(channels: int = 3) -> ToyViT:
    torch.manual_seed(0)
    return ToyViT(channels).eval().requires_grad_(requires_grad=False)


def is_for_transformers(item: object) -> bool:
    return isinstance(item, AttentionRollout | GenericAttention | LeGrad)


def toy_for(item: object) -> nn.Module:
    """A model that an explainer can explain."""
    return toy_vit() if is_for_transformers(item) else toy_cnn()


def classifier_of(model: nn.Module, **options: Any) -> Classifier:
    return Classifier(model, **{"mean": MEAN, "std": STD, "batch_size": 8, **options})


def judged(signals: Signals) -> Signals:
    """Signals whose maps a metric takes for those of plain gradients, should it explain again."""
    return signals.of_explainer(VanillaGradient())


def toy() -> Classifier:
    return classifier_of(toy_cnn())


def reduced(item: Any) -> Any:
    """The same class with at most a few masks, samples, steps and segments."""
    smaller = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if dataclasses.is_dataclass(value):
            smaller[field.name] = reduced(value)
        elif type(value) is int and (field.name.startswith("num_") or field.name == "steps"):
            smaller[field.name] = min(value, FEW)
    if isinstance(item, IntegratedGradients):
        # Points between black and an image are then exact, so that rounding switches no unit.
        smaller["steps"] = 8
    return dataclasses.replace(item, **smaller)


def curve_of(score: Score) -> Tensor:
    """The curve_BT of a metric that has one."""
    assert score.curve_BT is not None
    return score.curve_BT


def columns_of(score: Score) -> dict[str, Tensor]:
    """The columns of a metric all of whose columns are numbers."""
    assert all(isinstance(column, Tensor) for column in score.columns.values())
    return {n: column for n, column in score.columns.items() if isinstance(column, Tensor)}


class Linear(nn.Module):
    """logits_k = sum of weight_k * x: every gradient is the weight itself."""

    def __init__(self, weight_KCHW: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight_KCHW, requires_grad=False)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", x, self.weight)


class Fraction(nn.Module):
    """Gives class 0 the probability sum of all values, class 1 the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        share = x.double().sum((1, 2, 3))
        return torch.stack([share, 1 - share], 1).clamp(0, 1).log().float()


_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    *("_state_dict_hooks", "_load_state_dict_pre_hooks"),
)


def _state(model: nn.Module) -> Mapping[str, Any]:
    return {
        "weights": {name: value.clone() for name, value in model.state_dict().items()},
        "gradients": {name: value.grad for name, value in model.named_parameters()},
        "flags": {name: value.requires_grad for name, value in model.named_parameters()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "modules": dict(model.named_modules()),
        "hooks": {
            (name, kind): dict(getattr(module, kind))
            for name, module in model.named_modules()
            for kind in _HOOKS
        },
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "threads": torch.get_num_threads(),
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(legacy=False)["state"]["key"].tolist(),  # noqa: NPY002
        "python": random.getstate(),
    }


@contextmanager
def untouched(model: nn.Module, *tensors: Tensor) -> Iterator[None]:
    """Assert that the block leaves model, tensors, global generators and grad mode as they were."""
    before, copies = _state(model), [tensor.clone() for tensor in tensors]
    try:
        yield
    finally:
        after = _state(model)
        for name in ("weights", "gradients"):
            assert before[name].keys() == after[name].keys(), name
            for key, value in before[name].items():
                same = value is after[name][key] or torch.equal(value, after[name][key])
                assert same, f"{name} of {key} changed"
        assert torch.equal(before["torch"], after["torch"]), "torch's generator was used"
        for name in before.keys() - {"weights", "gradients", "torch"}:
            assert before[name] == after[name], name
        for tensor, copy in zip(tensors, copies, strict=True):
            assert torch.equal(tensor, copy), "an input was overwritten"


def short_resnet(num_classes: int = 7) -> nn.Module:
    """Return torchvision's residual network with a block a layer, and few channels in the last.

    Each ReLU is used twice, as in the whole one; methods that pass each channel have less to do.
    """
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=num_classes)
    model.inplanes = 256
    model.layer4 = model._make_layer(BasicBlock, 32, 1, stride=2)
    model.fc = nn.Linear(32, num_classes)
    nn.init.normal_(model.fc.weight)  # small scores would be nothing to LIME's lasso
    return model
