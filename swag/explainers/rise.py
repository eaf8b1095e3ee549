"""RISE: how likely the target stays when random parts of the image are masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import skimage
import torch
from torch import Tensor

from swag.checks import require_at_least
from swag.packing import CopiesOfImage, target_probability
from swag.rng import generator
from swag.signals import Signals
from swag.types import Kind

_MASKS_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class RISE:
    """Mean of random masks, weighted by the target's probability (Petsiuk et al., 2018, eq. 6).

    As in the authors' code, masks multiply the normalised image and all images of a run share the
    same ones: they depend on the batch's seed and the image's size only.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()

    num_masks: int = 8000
    cells: int = 7
    """Cells of the coarse grid per side."""
    probability: float = 0.5
    """Chance of a cell to be kept."""

    def __post_init__(self) -> None:
        require_at_least("num_masks", self.num_masks, 1)
        require_at_least("cells", self.cells, 2)
        if not 0 < self.probability <= 1:
            raise ValueError(f"probability must be in (0, 1], got {self.probability}")

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return self.num_masks

    def __call__(self, signals: Signals) -> Tensor:
        normalised_BCHW = signals.normalised_BCHW
        num_images, _, height, width = normalised_BCHW.shape
        masks = Masks(self, signals.batch.seed, (height, width), signals.batch.device)
        total_BP = normalised_BCHW.new_zeros((num_images, height * width), dtype=torch.float64)
        size = signals.classifier.batch_size
        chunk = -(-_MASKS_AT_ONCE // size) * size
        for first in range(0, self.num_masks, chunk):
            mask_NHW = masks(first, min(first + chunk, self.num_masks))
            probability_BN = _masked_probability(signals, mask_NHW.float())
            total_BP += probability_BN.double() @ mask_NHW.flatten(1)
        return (total_BP / (self.num_masks * self.probability)).view(-1, height, width).float()


def _masked_probability(signals: Signals, mask_NHW: Tensor) -> Tensor:
    normalised_BCHW = signals.normalised_BCHW

    def perturb(part: CopiesOfImage, copies_NCHW: Tensor) -> None:
        mask_N1HW = mask_NHW[part.first : part.last, None]
        torch.mul(normalised_BCHW[part.image], mask_N1HW, out=copies_NCHW)

    counts = [len(mask_NHW)] * len(normalised_BCHW)
    return torch.stack(target_probability(signals, counts, perturb))


class Masks:
    """Smooth random masks in [0, 1], made a few at a time on the device.

    A coarse grid of kept and dropped cells is enlarged bilinearly to one cell more than the image
    and cut out at a random offset of less than a cell. All draws are made at once on the CPU, so
    that neither the device nor the number of masks made at a time changes them.
    """

    def __init__(self, rise: RISE, seed: int, size: tuple[int, int], device: torch.device) -> None:
        cell = [-(-length // rise.cells) for length in size]
        grid_Ncc = generator(seed, "", "rise_grids").random(
            (rise.num_masks, rise.cells, rise.cells)
        )
        offset_N2 = generator(seed, "", "rise_offsets").integers(cell, size=(rise.num_masks, 2))
        self._grid_Ncc = torch.from_numpy((grid_Ncc < rise.probability).astype(float)).to(device)
        self._offset_N2 = torch.from_numpy(offset_N2).to(device)
        self._enlarge = [
            torch.from_numpy(_enlargement((rise.cells + 1) * length, rise.cells)).to(device)
            for length in cell
        ]
        self._range = [torch.arange(length, device=device) for length in size]

    def __call__(self, first: int, last: int) -> Tensor:
        """Return masks_NHW number `first` to `last` (exclusive), float64."""
        row_NHc, column_NWc = (
            self._enlarge[axis][self._offset_N2[first:last, axis, None] + self._range[axis]]
            for axis in (0, 1)
        )
        return row_NHc @ self._grid_Ncc[first:last] @ column_NWc.mT


def _enlargement(length: int, cells: int) -> np.ndarray:
    """Return the (length, cells) matrix of one axis of scikit-image's bilinear enlargement.

    It mirrors the grid at its outermost cells' centres, which torch's own interpolation does not.
    """
    shape = (length, cells)
    matrix: np.ndarray = skimage.transform.resize(
        np.eye(cells), shape, order=1, mode="reflect", anti_aliasing=False
    )
    return matrix
