"""Segmenters that do not look at the picture: single pixels, and squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from swag.signals import Signals


@dataclass(frozen=True, kw_only=True)
class Pixel:
    """Each pixel by itself, in row-major order."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        return _everywhere(signals, 1)


@dataclass(frozen=True, kw_only=True)
class Squares:
    """A grid of squares from the upper left corner, in row-major order; cut at the other edges."""

    needs: ClassVar[frozenset[str]] = frozenset()

    side: int = 8
    """In pixels."""

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"side must be at least 1 pixel, got {self.side}")

    def __call__(self, signals: Signals) -> Tensor:
        return _everywhere(signals, self.side)


def _everywhere(signals: Signals, side: int) -> Tensor:
    count, _, height, width = signals.batch.image_BCHW.shape
    across = -(-width // side)
    row_H, column_W = torch.arange(height) // side, torch.arange(width) // side
    labels_HW = row_H[:, None] * across + column_W
    return labels_HW.to(signals.batch.device).repeat(count, 1, 1)


def cells_of(size: tuple[int, int], cells: int) -> Tensor:
    """Return the cell of each pixel in a grid of `cells` rows and columns, row-major, int64 (H, W).

    Cells differ by a pixel at most in height and width.

    Raises:
        ValueError: a side has less pixels than there are cells.
    """
    height, width = size
    if min(size) < cells:
        raise ValueError(
            f"images of {height}x{width} pixels have no grid of {cells}x{cells} cells; ask for "
            "fewer cells"
        )
    row_H, column_W = (torch.arange(side) * cells // side for side in size)
    return row_H[:, None] * cells + column_W
