"""The deletion curve: how fast the target's score falls as the most salient pixels go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from swag.curves.scores import pixel_curve, require_curve
from swag.signals import Signals
from swag.types import Fill, Score


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """Area under the deletion curve (Petsiuk et al., 2018), in [0, 1].

    The n+1 scores of a curve are softmax outputs of the target: of the image, after each of n
    batches of ceil(H W / steps) pixels went, most salient first, and of the image with none left.
    The area is the trapezoid over equal steps. Pixels become the data set's mean colour, 0 after
    normalisation, as in the authors' code; `fill` may be black instead. `PerturbationCurve` has
    other fillings, units and orders.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    steps: int = 28
    fill: Fill = "mean"

    def __post_init__(self) -> None:
        require_curve("deletion", self.steps, self.fill)

    @property
    def num_forwards(self) -> int:
        """Model passes per image; the curve's ends cost none."""
        return self.steps - 1

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        return pixel_curve(signals, saliency_BHW, self.steps, self.fill, insert=False)
