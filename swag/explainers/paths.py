"""Methods that follow the gradient from a baseline to the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import Tensor

from swag.channels import Channels, over_channels
from swag.checks import require_one_of
from swag.curves.fillings import Black, blank_images
from swag.integrated import Rule, contributions, num_points
from swag.protocols import Filling
from swag.signals import Signals
from swag.types import Kind, TargetScore


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients:
    """What each pixel adds to the target's score on the way from a baseline to the image.

    Sundararajan et al., 2017, eq. 1. The values of an image add up to the difference of the scores
    of image and baseline, as far as the steps go.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    baseline: Filling = Black()
    """The image without any pixel: of one colour, blurred, or noise."""
    steps: int = 50
    rule: Rule = "middle"
    score: TargetScore = "probability"
    channels: Channels = "sum"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        require_one_of("rule", self.rule, get_args(Rule))
        require_one_of("score", self.score, get_args(TargetScore))
        require_one_of("channels", self.channels, get_args(Channels))

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return num_points(self.rule, self.steps)

    num_backwards = num_forwards

    def __call__(self, signals: Signals) -> Tensor:
        key = ("contributions", self.baseline, self.steps, self.rule, self.score)
        attribution_BCHW = signals.once(key, lambda: self._contributions(signals))
        return over_channels(attribution_BCHW, self.channels)

    def _contributions(self, signals: Signals) -> Tensor:
        start_BCHW = blank_images(signals, self.baseline)
        return contributions(signals, start_BCHW, self.steps, self.rule, self.score)
