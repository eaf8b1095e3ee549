"""What the tests of LIME, RISE and XRAI share: a small smooth network and photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from skimage import data
from skimage.transform import resize
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.signals import Signals
from swag.types import Batch


class CountingNet(nn.Module):
    """A network without kinks whose pass sizes are counted."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(7)
        self.first = nn.Parameter(torch.randn(8, 3, 5, 5, generator=draws) / 5)
        self.second = nn.Parameter(torch.randn(8, 8, 3, 3, generator=draws) / 4)
        self.head = nn.Parameter(torch.randn(num_classes, 8, generator=draws) * 2)
        self.pass_sizes: list[int] = []

    def forward(self, image: Tensor) -> Tensor:
        self.pass_sizes.append(len(image))
        features = nn.functional.conv2d(image, self.first, stride=2).tanh()
        features = nn.functional.conv2d(features, self.second, stride=2).tanh()
        return features.mean((2, 3)) @ self.head.T


def classifier(batch_size: int = 8) -> Classifier:
    return Classifier(CountingNet().eval().requires_grad_(False), batch_size=batch_size)


def pass_sizes(model: Classifier) -> list[int]:
    """The sizes of the passes that the network of `classifier()` has seen."""
    assert isinstance(model.model, CountingNet)
    return model.model.pass_sizes


def photographs(height: int, width: int, names: Sequence[str] = ("astronaut", "coffee")) -> Tensor:
    images = [resize(getattr(data, name)(), (height, width), anti_aliasing=True) for name in names]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().clamp(0, 1).contiguous()


def signals(
    image_BCHW: Tensor,
    model: Classifier | None = None,
    seed: int = 0,
    target_B: Tensor | None = None,
) -> Signals:
    ids = tuple(f"image{index}" for index in range(len(image_BCHW)))
    batch = Batch(image_BCHW=image_BCHW, image_ids=ids, seed=seed, target_B=target_B)
    return Signals(model or classifier(), batch)


def numpy_probability(model: Classifier, image_NHWC: np.ndarray) -> np.ndarray:
    """Return softmax outputs_NK for images as the original implementations hold them."""
    image_NCHW = torch.from_numpy(np.asarray(image_NHWC, dtype=np.float32)).permute(0, 3, 1, 2)
    return model.probabilities(model.normalise(image_NCHW)).numpy()
