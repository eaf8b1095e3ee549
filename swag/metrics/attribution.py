"""Whether a saliency's values, summed over pixels, are what the model's output loses by them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from swag.checks import require_finite, require_fit, require_one_of, require_positive
from swag.curves.fillings import MeanColour
from swag.curves.scores import Course, Points, Reading, curves, reader, whole_score
from swag.packing import CopiesOfImage, target_scores
from swag.protocols import Filling, Segmenter
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels.grid import Squares
from swag.types import Score

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""Draws which pixels of an image (height, width) are removed, bool."""


@dataclass(frozen=True, kw_only=True)
class Infidelity:
    """Mean squared error between a saliency's sum over a square and what the output loses by it.

    Yeh et al., NeurIPS 2019, eq. 1, with square removals (section 4) and the saliency scaled by the
    one factor that fits best, so that methods of other units can be compared. 0 is the best value.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    num_samples: int = 100
    """Squares an image."""
    sides: tuple[float, float] = (0.1, 0.5)
    """Shortest and longest side, as shares of the image's shorter one; uniform between them."""
    fill: Filling = MeanColour()
    score: Reading = "probability"
    scaled: bool = True
    """Whether the factor is fitted; else the saliency must be in units of the score."""

    def __post_init__(self) -> None:
        _require_settings(self.num_samples, self.score)
        if not 0 < self.sides[0] <= self.sides[1] <= 1:
            raise ValueError(f"sides must be rising shares within 0 to 1, got {self.sides}")

    @property
    def num_forwards(self) -> int:
        return self.num_samples

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        sums_BS, losses_BS = sums_and_losses(
            signals, saliency_BHW, self._square, self.num_samples, (self.fill, self.score)
        )
        factor_B1 = torch.ones_like(sums_BS[:, :1])
        if self.scaled:
            power_B = (sums_BS**2).sum(1)
            factor_B = (sums_BS * losses_BS).sum(1) / power_B.where(power_B > 0, 1.0)
            factor_B1 = factor_B[:, None]
        return Score(value_B=((factor_B1 * sums_BS - losses_BS) ** 2).mean(1))

    def _square(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        side = max(1, round(rng.uniform(*self.sides) * min(height, width)))
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        removed_HW = np.zeros((height, width), bool)
        removed_HW[top : top + side, left : left + side] = True
        return removed_HW


@dataclass(frozen=True, kw_only=True)
class SensitivityN:
    """Pearson correlation of a saliency's sum over random units with what the output loses by them.

    Ancona et al., ICLR 2018, section 4: subsets of n units, here random ones for each n and the
    same for every method; the value is the mean over n, the curve each n's. Null where a sum or a
    loss is the same for all subsets of some n.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    fractions: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    """n as shares of the units."""
    num_subsets: int = 100
    """For each n."""
    unit: Segmenter = Squares()
    fill: Filling = MeanColour()
    score: Reading = "logit"

    def __post_init__(self) -> None:
        _require_settings(self.num_subsets, self.score)
        if not self.fractions or not all(0 < share < 1 for share in self.fractions):
            raise ValueError(f"fractions must lie between 0 and 1, got {self.fractions}")
        if self.unit.needs:
            raise ValueError("units must be the same for every explainer; take squares or SLIC")

    @property
    def num_forwards(self) -> int:
        return len(self.fractions) * self.num_subsets

    @property
    def superpixels(self) -> Segmenter:
        return self.unit

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        labels = signals.segments(self.unit).cpu().numpy()
        found = []
        for share in self.fractions:
            draws = [self._subset(labels_HW, share) for labels_HW in labels]
            sums_BS, losses_BS = sums_and_losses(
                signals, saliency_BHW, draws, self.num_subsets, (self.fill, self.score)
            )
            found.append(_correlation(sums_BS, losses_BS))
        curve_BT = torch.stack(found, 1)
        return Score(value_B=curve_BT.mean(1), curve_BT=curve_BT.float())

    def _subset(self, labels_HW: np.ndarray, share: float) -> Draw:
        count = int(labels_HW.max()) + 1
        removed = min(max(1, round(share * count)), max(1, count - 1))

        def draw(rng: np.random.Generator, _height: int, _width: int) -> np.ndarray:
            is_removed = np.zeros(count, bool)
            is_removed[rng.permutation(count)[:removed]] = True
            chosen_HW: np.ndarray = is_removed[labels_HW]
            return chosen_HW

        return draw


@dataclass(frozen=True, kw_only=True)
class Completeness:
    """Whether a saliency adds up to what the output loses with the whole image.

    Sundararajan et al., ICML 2017: 1 where |sum - loss| is at most `tolerance` times |loss|, else
    0; the column `gap` is that quotient. Only attributions in units of the score can hold it.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    tolerance: float = 0.05
    fill: Filling = MeanColour()
    score: Reading = "logit"

    def __post_init__(self) -> None:
        require_positive("tolerance", self.tolerance)
        require_one_of("score", self.score, get_args(Reading))

    @property
    def num_forwards(self) -> int:
        return 0 if self.fill.is_constant else 1

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        course = Course(filling=self.fill, reading=self.score)
        step_BHW = torch.zeros_like(saliency_BHW, dtype=torch.int32)
        curve_BT = curves(signals, step_BHW, Points(count=2), course).double()
        loss_B = curve_BT[:, 0] - curve_BT[:, 1]
        off_B = (saliency_BHW.flatten(1).double().sum(1) - loss_B).abs()
        gap_B = off_B / loss_B.abs().where(loss_B != 0, torch.nan)
        value_B = (gap_B <= self.tolerance).double().where(~gap_B.isnan(), torch.nan)
        return Score(value_B=value_B, columns={"gap": gap_B})


def sums_and_losses(
    signals: Signals,
    saliency_BHW: Tensor,
    draw: Draw | list[Draw],
    count: int,
    reading: tuple[Filling, Reading],
) -> tuple[Tensor, Tensor]:
    """Return for random removals the saliency's sums and the score's losses, float64 (B, count).

    Args:
        draw: one for all images, or one each.
        reading: what fills, and what is read.
    """
    require_fit(signals, saliency_BHW)
    require_finite(saliency_BHW)
    batch, (filling, score) = signals.batch, reading
    paint, draws = filling(signals), draw if isinstance(draw, list) else [draw] * len(batch)
    height, width = saliency_BHW.shape[1:]
    removed = []
    for name, own in zip(batch.image_ids, draws, strict=True):
        rng = generator(batch.seed, name, "removals")
        removed.append(torch.from_numpy(np.stack([own(rng, height, width) for _ in range(count)])))
    map_BP = saliency_BHW.flatten(1).double()
    sums = [
        removed_SHW.flatten(1).to(map_P) @ map_P
        for removed_SHW, map_P in zip(removed, map_BP, strict=True)
    ]

    def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
        gone_THW = removed[part.image][part.first : part.last].to(copies_TCHW)
        paint(part.image, 1 - gone_THW[:, None], copies_TCHW)

    read = reader(signals.classifier, score)
    slow = getattr(filling, "in_threads", False)
    after = target_scores(signals, [count] * len(batch), perturb, read, in_threads=slow)
    whole_B1 = whole_score(signals, score).double()
    return torch.stack(sums), whole_B1 - torch.stack(after).double()


def _correlation(first_BS: Tensor, second_BS: Tensor) -> Tensor:
    """Return Pearson's for each row; NaN where one does not vary."""
    first_BS, second_BS = (x_BS - x_BS.mean(1, keepdim=True) for x_BS in (first_BS, second_BS))
    size_B: Tensor = first_BS.norm(dim=1) * second_BS.norm(dim=1)
    found_B: Tensor = (first_BS * second_BS).sum(1) / size_B.where(size_B > 1e-12, torch.nan)
    return found_B


def _require_settings(count: int, score: Reading) -> None:
    if count < 2:
        raise ValueError(f"at least 2 removals are compared, got {count}")
    require_one_of("score", score, get_args(Reading))
    if score == "relative":
        raise ValueError("what is lost is a difference already; read probability or logit")
