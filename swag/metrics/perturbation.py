"""Perturbation curves of any kind: what fills, which units, in which order, and what is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, get_args

from torch import Tensor

from swag.checks import require_one_of
from swag.curves.fillings import MeanColour
from swag.curves.ranks import shared_ranks, step_by_shares
from swag.curves.scores import Course, Points, Reading, area_under, curves, whole_score
from swag.protocols import Filling, Segmenter
from swag.signals import Signals
from swag.superpixels.grid import Pixel
from swag.types import Score

Action = Literal["remove", "insert"]
Order = Literal["most_relevant_first", "least_relevant_first", "difference"]
Area = Literal["under", "over"]
STEPS = 28


@dataclass(frozen=True, kw_only=True)
class PerturbationCurve:
    """Area of the curve of a model's output while an image is perturbed by a saliency's order.

    Units of the image are ranked by their mean saliency, and what the model says of the target is
    read as they are removed or inserted. The value is the trapezoid over the shares of units, or
    with `area` "over" the whole image's score less that; null where a score is divided by 0.

    With order "difference" it is taken in both orders, and the curve is that which should be high
    less that which should be low: the region between them (ABPC, Schulz et al., 2020; SRG, Bluecher
    et al., 2024).
    """

    version: ClassVar[int] = 1

    fill: Filling = MeanColour()
    """What takes the place of what is removed."""
    unit: Segmenter = Pixel()
    """What goes or comes at once."""
    order: Order = "most_relevant_first"
    """The least relevant first are the most relevant of the negated saliency."""
    action: Action = "remove"
    score: Reading = "probability"
    area: Area = "under"
    steps: int | None = None
    """Of about as many units each; None: 28, unless there are `fractions`."""
    fractions: tuple[float, ...] | None = None
    """In place of steps: shares of the units that are removed or inserted where the curve is
    scored, rounded down to whole units."""

    def __post_init__(self) -> None:
        for name, known in (
            ("order", Order), ("action", Action), ("score", Reading), ("area", Area)
        ):  # fmt: skip
            require_one_of(name, getattr(self, name), get_args(known))
        if self.steps is not None and self.fractions is not None:
            raise ValueError("a curve has steps or fractions, got both; leave one of them out")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"a curve needs at least 1 step, got {self.steps}")
        if self.fractions is not None:
            _require_fractions(self.fractions)
        if self.unit.needs:
            raise ValueError(
                f"units must be the same for every explainer, and {type(self.unit).__name__} here "
                "follows a gradient; use superpixels of the image alone, squares or pixels"
            )
        if self.area == "over" and self.order == "difference":
            raise ValueError(
                "the difference of two curves has no area over it; use area='under', the area "
                "between them"
            )

    @property
    def higher_is_better(self) -> bool:
        """Whether good curves are high; the area over one is then low."""
        if self.order == "difference":
            return True
        high = (self.order == "least_relevant_first") == (self.action == "remove")
        return high == (self.area == "under")

    @property
    def superpixels(self) -> Segmenter | None:
        """The units, where finding them takes time."""
        return None if self.unit == Pixel() else self.unit

    @property
    def shares(self) -> tuple[float, ...]:
        """Shares of the units that are changed at each point."""
        if self.fractions is not None:
            return self.fractions
        steps = STEPS if self.steps is None else self.steps
        return tuple(point / steps for point in range(steps + 1))

    @property
    def num_forwards(self) -> int:
        """Model passes per image; a constant filling's blank image costs none."""
        blank = 0.0 if self.action == "insert" else 1.0
        free = {1 - blank, blank} if self.fill.is_constant else {1 - blank}
        orders = 2 if self.order == "difference" else 1
        return orders * sum(share not in free for share in self.shares)

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        if self.order == "difference":
            low_first = self.action == "remove"  # then the curve stays high
            high_BT = self._curve_BT(signals, saliency_BHW, least_first=low_first)
            curve_BT = high_BT - self._curve_BT(signals, saliency_BHW, least_first=not low_first)
        else:
            least_first = self.order == "least_relevant_first"
            curve_BT = self._curve_BT(signals, saliency_BHW, least_first=least_first)
        value_B = area_under(curve_BT, self.fractions)
        if self.area == "over":
            value_B = whole_score(signals, self.score)[:, 0].double() - value_B
        return Score(value_B=value_B, curve_BT=curve_BT)

    def _curve_BT(self, signals: Signals, saliency_BHW: Tensor, *, least_first: bool) -> Tensor:
        ranks = shared_ranks(signals, saliency_BHW, self.unit, least_first=least_first)
        step_BHW = step_by_shares(ranks, self.shares)
        points = Points(
            count=len(self.shares),
            from_nothing=self.shares[0] == 0,
            to_everything=self.shares[-1] == 1,
        )
        course = Course(filling=self.fill, insert=self.action == "insert", reading=self.score)
        return curves(signals, step_BHW, points, course)


def _require_fractions(fractions: Sequence[float]) -> None:
    """Raise ValueError where fractions are not rising shares."""
    inside = all(0 <= share <= 1 for share in fractions)
    if not fractions or not inside or any(low >= high for low, high in pairwise(fractions)):
        raise ValueError(
            f"fractions must rise within 0 to 1, such as (0.1, 0.5, 0.9), got {fractions}"
        )
