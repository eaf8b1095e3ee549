"""Methods that hide windows or cells of a grid, and ask what becomes of the target's score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from swag.checks import require_at_least, require_one_of
from swag.curves.fillings import MeanColour
from swag.packing import CopiesOfImage, of_target, reads, target_scores
from swag.protocols import Filling
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels.grid import cells_of
from swag.types import Kind, TargetScore

Bandwidth = Literal["scores", "differences"]
"""Of the scores' kernel: the median score, or the median difference of two, in magnitude."""


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """Mean loss of the target's score over the windows that hide a pixel (Zeiler and Fergus, 2014).

    Windows lie on a grid from edge to edge, so that an image of any size has as many. Of 224x224
    pixels the default ones are of 50 pixels, 25 apart.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()

    windows: int = 8
    """Along each side of the image."""
    overlap: int = 2
    """How many windows hide a pixel that is not near an edge, along each side."""
    fill: Filling = MeanColour()
    score: TargetScore = "probability"

    def __post_init__(self) -> None:
        for name in ("windows", "overlap"):
            require_at_least(name, getattr(self, name), 1)
        require_one_of("score", self.score, get_args(TargetScore))

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return self.windows**2

    def __call__(self, signals: Signals) -> Tensor:
        x_BCHW = signals.normalised_BCHW
        row_NH, column_NW = (self._hidden(side).to(x_BCHW) for side in x_BCHW.shape[2:])
        paint, one = self.fill(signals), x_BCHW.new_ones(())

        def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
            place_T = torch.arange(part.first, part.last, device=x_BCHW.device)
            row_TH, column_TW = row_NH[place_T // self.windows], column_NW[place_T % self.windows]
            shown_T1HW = torch.addcmul(
                one, row_TH[:, None, :, None], column_TW[:, None, None], value=-1
            )
            paint(part.image, shown_T1HW, copies_TCHW)

        hidden = target_scores(
            signals,
            [self.num_forwards] * len(x_BCHW),
            perturb,
            reads(signals.classifier, self.score),
            in_threads=getattr(self.fill, "in_threads", False),
        )
        lost_BT = of_target(signals, self.score)[:, None].double() - torch.stack(hidden).double()
        row_NH, column_NW = row_NH.double(), column_NW.double()
        total_BHW = row_NH.T @ lost_BT.view(-1, self.windows, self.windows) @ column_NW
        count_HW = row_NH.sum(0)[:, None] * column_NW.sum(0)
        return (total_BHW / count_HW).float()

    def _hidden(self, side: int) -> Tensor:
        """Return which pixels along a side each window hides, bool (windows, side)."""
        strides = self.windows + self.overlap - 1
        if side < strides:
            raise ValueError(
                f"{self.windows} windows of {self.overlap} strides need {strides} pixels a side, "
                f"got {side}; ask for fewer windows"
            )
        edge_N = torch.arange(strides + 1) * side // strides
        pixel_W = torch.arange(side)
        after_NW = pixel_W >= edge_N[: self.windows, None]
        return after_NW & (pixel_W < edge_N[self.overlap :, None])


@dataclass(frozen=True, kw_only=True)
class HSIC:
    """Hilbert-Schmidt independence criterion of each cell and the target's score.

    Novello et al., NeurIPS 2022, with the authors' kernels: a Dirac one says whether a cell is
    shown in both of two copies, a Gaussian one how alike their scores are. As in their code, all
    images share the copies' cells, each of which is shown in half of the copies, and the map is
    enlarged by cubic interpolation.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()

    num_samples: int = 500
    cells: int = 8
    """Of the grid, along each side."""
    fill: Filling = MeanColour()
    score: TargetScore = "logit"
    bandwidth: Bandwidth = "scores"

    def __post_init__(self) -> None:
        require_at_least("num_samples", self.num_samples, 2)
        require_at_least("cells", self.cells, 1)
        require_one_of("score", self.score, get_args(TargetScore))
        require_one_of("bandwidth", self.bandwidth, get_args(Bandwidth))

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return self.num_samples

    def __call__(self, signals: Signals) -> Tensor:
        x_BCHW = signals.normalised_BCHW
        size = x_BCHW.shape[2:]
        cell_HW = cells_of((size[0], size[1]), self.cells).to(x_BCHW.device)
        shown_NS = self._shown(signals.batch.seed)
        shown_on_NS = torch.from_numpy(shown_NS).to(x_BCHW)
        paint = self.fill(signals)

        def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
            paint(part.image, shown_on_NS[part.first : part.last][:, None, cell_HW], copies_TCHW)

        scores = target_scores(
            signals,
            [self.num_samples] * len(x_BCHW),
            perturb,
            reads(signals.classifier, self.score),
            in_threads=getattr(self.fill, "in_threads", False),
        )
        values = [self._dependence(shown_NS, s.double().cpu().numpy()) for s in scores]
        map_B1hw = torch.from_numpy(np.stack(values)).view(-1, 1, self.cells, self.cells)
        map_B1hw = map_B1hw.float().to(x_BCHW.device)
        return F.interpolate(map_B1hw, size=size, mode="bicubic", align_corners=False)[:, 0]

    def _shown(self, seed: int) -> np.ndarray:
        """Return shown_NS, bool: a Latin hypercube in which each cell is shown in half of it."""
        half_N = 2 * np.arange(self.num_samples) >= self.num_samples
        rng = generator(seed, "", "hsic")
        return rng.permuted(np.tile(half_N, (self.cells**2, 1)), axis=1).T

    def _dependence(self, shown_NS: np.ndarray, score_N: np.ndarray) -> np.ndarray:
        difference_NN = score_N[:, None] - score_N
        if self.bandwidth == "scores":
            width = abs(float(np.median(score_N)))
        else:
            width = float(np.median(np.abs(difference_NN[np.triu_indices(len(score_N), 1)])))
        return dependence(shown_NS, difference_NN, width)


def dependence(shown_NS: np.ndarray, difference_NN: np.ndarray, width: float) -> np.ndarray:
    """Return hsic_S of each cell, float64: trace(K H L H) / N.

    K = 3/2 - (a - b)^2 of whether a cell is shown, L = exp(-d^2 / (2 width^2)) of the scores'
    differences, and H takes off means. Of a cell that is shown or not, H K H = 2 c c^T, c being how
    far each copy is from the cell's mean.
    """
    tiny = np.finfo(np.float64).tiny
    likeness_NN = np.exp(-(difference_NN**2) / max(2 * width**2, tiny))
    centred_NS = shown_NS - shown_NS.mean(0)
    hsic_S: np.ndarray = 2 * np.einsum("ns,ns->s", centred_NS, likeness_NN @ centred_NS)
    return hsic_S / len(shown_NS)
