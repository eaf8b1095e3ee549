"""Controls: saliencies that know nothing of the model, the floor that a method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from swag.importance import pixel_importance
from swag.rng import generator
from swag.signals import Signals
from swag.types import Kind


@dataclass(frozen=True, kw_only=True)
class Centre:
    """Negative Euclidean distance to the image's centre, in pixels (Hartley et al., section 4)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "control"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        height, width = signals.batch.image_BCHW.shape[2:]
        centre_B2 = torch.tensor([[(height - 1) / 2, (width - 1) / 2]]).repeat(
            len(signals.batch), 1
        )
        return -distance_BHW(centre_B2, height, width).to(signals.batch.device)


@dataclass(frozen=True, kw_only=True)
class Random:
    """Negative Euclidean distance, in pixels, to one uniformly drawn pixel of each image."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "control"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        batch = signals.batch
        height, width = batch.image_BCHW.shape[2:]
        pixels = [
            generator(batch.seed, image_id, "random_pixel").integers([height, width]).tolist()
            for image_id in batch.image_ids
        ]
        return -distance_BHW(torch.tensor(pixels), height, width).to(batch.device)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Uniform noise, drawn anew for each pixel and image."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "control"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "noise")


@dataclass(frozen=True, kw_only=True)
class Sobel:
    """Magnitude of the Sobel gradient of the grey image (Sobel and Feldman, 1973)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "control"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "sobel")


def distance_BHW(point_B2: Tensor, height: int, width: int) -> Tensor:
    """Return each pixel's distance to a point (row, column), float32 from float64."""
    row_H = torch.arange(height, dtype=torch.float64)
    column_W = torch.arange(width, dtype=torch.float64)
    rows_BH1 = (row_H[None] - point_B2[:, :1]).square()[:, :, None]
    columns_B1W = (column_W[None] - point_B2[:, 1:]).square()[:, None]
    return (rows_BH1 + columns_B1W).sqrt().float()
