"""Metrics of a model that was fine-tuned on perturbed images, to which those are nothing new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor

from swag.checks import require_at_least, require_finite, require_fit, require_one_of
from swag.curves.fillings import MeanColour
from swag.curves.ranks import shared_ranks
from swag.curves.scores import reader, whole_score
from swag.packing import CopiesOfImage, target_scores
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels.grid import Pixel, cells_of
from swag.types import Score

TunedReading = Literal["logit", "probability", "correct"]
"""See `swag.curves.scores.Reading`."""


@dataclass(frozen=True, kw_only=True)
class OneCell:
    """Each image loses one cell of a grid with chance 1/2, as those that IDSDS scores do."""

    version: ClassVar[int] = 1

    cells: int
    """Rows and columns of the grid."""

    def __call__(self, size: tuple[int, int], count: int, rng: np.random.Generator) -> Tensor:
        cell_HW = cells_of(size, self.cells)
        lost_B = torch.from_numpy(rng.integers(0, self.cells**2, count))
        is_whole_B = torch.from_numpy(rng.random(count) < 0.5)
        return (cell_HW != lost_B[:, None, None]) | is_whole_B[:, None, None]


@dataclass(frozen=True, kw_only=True)
class RandomPixels:
    """Each image loses a share of its pixels that is uniform from nothing to `most`."""

    version: ClassVar[int] = 1

    most: float

    def __call__(self, size: tuple[int, int], count: int, rng: np.random.Generator) -> Tensor:
        num_pixels = size[0] * size[1]
        num_lost_B = (rng.random(count) * (_whole(self.most * num_pixels) + 1)).astype(int)
        place_BP = rng.random((count, num_pixels)).argsort(1).argsort(1)
        return torch.from_numpy(place_BP >= num_lost_B[:, None]).view(count, *size)


@dataclass(frozen=True, kw_only=True)
class IDSDS:
    """In-domain single-deletion score (Hesse et al., 2024), in [-1, 1].

    Spearman's rank correlation between the sums of the saliency in the cells of a grid and what the
    target's score loses as each cell alone becomes the mean colour. Null where either does not
    differ between the cells, as for a constant saliency.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    cells: int = 4
    """Rows and columns of the grid."""
    score: TunedReading = "logit"

    def __post_init__(self) -> None:
        if self.cells < 2:
            raise ValueError(f"cells must be at least 2 rows and columns, got {self.cells}")
        require_one_of("score", self.score, get_args(TunedReading))

    @property
    def perturbation(self) -> OneCell:
        """What the model is to be fine-tuned with."""
        return OneCell(cells=self.cells)

    @property
    def num_forwards_once(self) -> int:
        """Model passes per image, for all its saliencies together."""
        return self.cells**2

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        require_finite(saliency_BHW)
        cell_HW = cells_of(_size(signals), self.cells).to(saliency_BHW.device)
        number_S = torch.arange(self.cells**2, device=cell_HW.device)
        inside_PS = (cell_HW.flatten()[:, None] == number_S).double()
        flat_BP = saliency_BHW.flatten(1)
        sum_BS = (flat_BP.double() @ inside_PS).cpu().numpy()
        left_BS = signals.once((type(self), self), lambda: self._left(signals, cell_HW))
        value_B = torch.from_numpy(spearman(sum_BS, -left_BS.cpu().numpy()))
        is_constant_B = (flat_BP.amax(1) == flat_BP.amin(1)).cpu()
        return Score(value_B=value_B.masked_fill(is_constant_B, torch.nan))

    @torch.no_grad()
    def _left(self, signals: Signals, cell_HW: Tensor) -> Tensor:
        """Return what is left of the target's score without each cell, (B, S)."""
        paint = MeanColour()(signals)

        def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
            cell_T = torch.arange(part.first, part.last, device=cell_HW.device)
            shown_T1HW = (cell_HW != cell_T[:, None, None, None]).to(copies_TCHW)
            paint(part.image, shown_T1HW, copies_TCHW)

        counts = [self.cells**2] * len(signals.batch)
        read = reader(signals.classifier, self.score)
        return torch.stack(target_scores(signals, counts, perturb, read))


@dataclass(frozen=True, kw_only=True)
class FFidelity:
    """Fine-tuned fidelity (Zheng et al., 2025): FFid+ less FFid-, in [-1, 1] for probabilities.

    FFid+ is what the target's score loses on average when random pixels of the most salient share
    of an image become the mean colour, FFid- the same of its least salient share; both are means
    over `fractions`. Of a share of an image at most `alpha` goes, and of the whole image never more
    than `beta`, which is the most that the model was fine-tuned with.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    fractions: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    """Shares of the pixels of which some are removed."""
    alpha: float = 0.5
    beta: float = 0.1
    num_samples: int = 50
    """Random removals of each share."""
    score: TunedReading = "probability"

    def __post_init__(self) -> None:
        if not self.fractions or any(not 0 < share <= 1 for share in self.fractions):
            raise ValueError(
                f"fractions must lie in (0, 1], such as (0.1, 0.5), got {self.fractions}"
            )
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {getattr(self, name)}")
        require_at_least("num_samples", self.num_samples, 1)
        require_one_of("score", self.score, get_args(TunedReading))

    @property
    def perturbation(self) -> RandomPixels:
        """What the model is to be fine-tuned with."""
        return RandomPixels(most=self.beta)

    @property
    def num_forwards(self) -> int:
        """Model passes per image and saliency."""
        return 2 * len(self.fractions) * self.num_samples

    @torch.no_grad()
    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        orders = [
            shared_ranks(signals, saliency_BHW, Pixel(), least_first=least_first).rank_BHW
            for least_first in (False, True)
        ]
        paint = MeanColour()(signals)
        latest: list[tuple[int, Tensor]] = []

        def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
            if not latest or latest[0][0] != part.image:  # an image may be in several passes
                ranks = [rank_BHW[part.image].flatten() for rank_BHW in orders]
                latest[:] = [(part.image, self._shown(signals, part.image, ranks))]
            shown_TP = latest[0][1][part.first : part.last]
            shown_T1HW = shown_TP.view(len(shown_TP), 1, *_size(signals)).to(copies_TCHW)
            paint(part.image, shown_T1HW, copies_TCHW)

        read = reader(signals.classifier, self.score)
        counts = [self.num_forwards] * len(signals.batch)
        found = torch.stack(target_scores(signals, counts, perturb, read)).double()
        shape = (len(found), 2, len(self.fractions), self.num_samples)
        whole_B11 = whole_score(signals, self.score).double()[:, :, None]
        plus_BT, minus_BT = (whole_B11 - found.view(shape).mean(3)).unbind(1)
        return Score(
            value_B=(plus_BT - minus_BT).mean(1),
            curve_BT=(plus_BT - minus_BT).float(),
            columns={"fid_plus": plus_BT.mean(1), "fid_minus": minus_BT.mean(1)},
        )

    def _shown(self, signals: Signals, image: int, ranks: Sequence[Tensor]) -> Tensor:
        """Return which pixels each copy of an image shows, bool (T, P).

        A pixel draws the same number for every saliency and fraction, and the lowest ones go.
        """
        batch = signals.batch
        rng = generator(batch.seed, batch.image_ids[image], "f_fidelity")
        draw_NP = torch.from_numpy(rng.random((self.num_samples, ranks[0].numel())))
        return torch.cat(list(self._removals(draw_NP.to(batch.device), ranks))).logical_not_()

    def _removals(self, draw_NP: Tensor, ranks: Sequence[Tensor]) -> Iterator[Tensor]:
        num_pixels = draw_NP.shape[1]
        for rank_P in ranks:
            for share in self.fractions:
                size = _whole(share * num_pixels)
                count = _whole(min(self.alpha * size, self.beta * num_pixels))
                if not count:
                    yield torch.zeros_like(draw_NP, dtype=torch.bool)
                    continue
                own_NP = draw_NP.masked_fill(rank_P >= size, 2.0)
                yield own_NP <= own_NP.kthvalue(count, 1, keepdim=True).values


def spearman(first_BS: np.ndarray, second_BS: np.ndarray) -> np.ndarray:
    """Return the rank correlation of each row, tied values having their mean rank.

    NaN where the values of a row are all the same.
    """
    from scipy.stats import rankdata  # noqa: PLC0415 - a sixth of all that is imported

    centred = [
        rank_BS - rank_BS.mean(1, keepdims=True)
        for rank_BS in (rankdata(values, axis=1) for values in (first_BS, second_BS))
    ]
    product_B = (centred[0] * centred[1]).sum(1)
    scale_B = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    result_B: np.ndarray = np.full_like(product_B, np.nan)
    np.divide(product_B, scale_B, out=result_B, where=scale_B > 0)
    return result_B


def _size(signals: Signals) -> tuple[int, int]:
    return cast(tuple[int, int], tuple(signals.batch.image_BCHW.shape[2:]))


def _whole(amount: float) -> int:
    """Return a number of pixels, rounded down; 0.7 * 10 means 7 in floating point too."""
    return int(amount + 1e-9)
