"""A model and images that are small and exact, to try explainers and metrics on."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)
MEAN, STD = (0.5,) * 3, (0.25,) * 3


def small_cnn(num_classes: int = 5, *, inplace: bool = True) -> nn.Sequential:
    """Return a VGG in miniature, for images of `MEAN` and `STD`, whose results are exact.

    It pools by means: on a uniform image, from which XRAI's integrated gradients start, rounding
    would choose the maximum. With this seed no activation on their way to `small_images(3)` comes
    nearer to zero than 7e-5, so that rounding cannot switch a unit.
    """
    return dyadic(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(inplace),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(inplace),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, num_classes),
        ),
        seed=104,
    )


def dyadic(model: Model, seed: int = 1) -> Model:
    """Set each weight to a random multiple of 1/8 in [-1/2, 1/2], evaluation mode, frozen.

    With `small_images` all gradients are then exact in float32: the same bits in any order of
    summation, so on any processor and at any batch size. Biases are 1/512 off, so that no
    activation is exactly zero on the way from a uniform image, where rounding would choose a side.
    """
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        values = rng.integers(-4, 5, parameter.shape) / 8 + (parameter.ndim == 1) / 512
        parameter.data = torch.from_numpy(values).to(parameter)
    return model.eval().requires_grad_(requires_grad=False)


def small_images(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Return smooth colourful images in [0, 1] whose values are multiples of 1/16."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((count, 3, 5, 5)))
    smooth = F.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    return (smooth * 16).round().div(16).float()


class Counted(nn.Module):
    """A model that notes the size of each forward and each backward pass."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.forwards: list[int] = []
        self.backwards: list[int] = []
        self.train(model.training)

    def forward(self, x: Tensor) -> Tensor:
        self.forwards.append(len(x))
        logits: Tensor = self.model(x)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: self.backwards.append(len(gradient)))
        return logits

    @property
    def num_backwards(self) -> int:
        return len(self.backwards)
