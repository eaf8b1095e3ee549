"""The insertion curve: how fast the target's score rises as the most salient pixels come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from swag.curves.scores import pixel_curve, require_curve
from swag.signals import Signals
from swag.types import Fill, Score


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """Area under the insertion curve (Petsiuk et al., 2018), in [0, 1].

    `Deletion` the other way round: same order, same steps, same ends. Pixels come into an image of
    one colour, where the authors start from a blurred one, which shows the object to begin with
    (`insertion_blur` among the metrics).
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    steps: int = 28
    fill: Fill = "mean"

    def __post_init__(self) -> None:
        require_curve("insertion", self.steps, self.fill)

    @property
    def num_forwards(self) -> int:
        """Model passes per image; the curve's ends cost none."""
        return self.steps - 1

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        return pixel_curve(signals, saliency_BHW, self.steps, self.fill, insert=True)
