"""Methods that follow the gradient from a baseline to the image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from torch import Tensor

from swag.backgrounds import Background, RandomColours
from swag.channels import Channels, over_channels
from swag.checks import require_at_least, require_one_of
from swag.curves.fillings import Black, blank_images
from swag.integrated import Rule, contributions, num_points
from swag.packing import CopiesOfImage, target_gradients
from swag.protocols import Filling, Passes
from swag.rng import generator
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
        require_at_least("steps", self.steps, 1)
        require_one_of("rule", self.rule, get_args(Rule))
        require_one_of("score", self.score, get_args(TargetScore))
        require_one_of("channels", self.channels, get_args(Channels))

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return num_points(self.rule, self.steps)

    num_backwards = num_forwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        return {self._key: Passes(self.num_forwards, self.num_backwards)}

    @property
    def _key(self) -> Hashable:
        return "contributions", self.baseline, self.steps, self.rule, self.score

    def __call__(self, signals: Signals) -> Tensor:
        attribution_BCHW = signals.once(self._key, lambda: self._contributions(signals))
        return over_channels(attribution_BCHW, self.channels)

    def _contributions(self, signals: Signals) -> Tensor:
        start_BCHW = blank_images(signals, self.baseline)
        return contributions(signals, start_BCHW, self.steps, self.rule, self.score)


@dataclass(frozen=True, kw_only=True)
class GradientSHAP:
    """What each pixel adds to the target's score on the way from images of a background.

    Lundberg and Lee, 2017; Erion et al., 2021, eq. 5: the mean of (image - other) times the
    gradient somewhere between the two, over others from the background and places uniform on the
    way. In the mean over many draws, values of an image add up to the difference of its score and
    the background's.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    background: Background = RandomColours()
    num_samples: int = 200
    score: TargetScore = "logit"
    channels: Channels = "sum"

    def __post_init__(self) -> None:
        require_at_least("num_samples", self.num_samples, 1)
        require_one_of("score", self.score, get_args(TargetScore))
        require_one_of("channels", self.channels, get_args(Channels))

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return self.num_samples

    num_backwards = num_forwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        return {self._key: Passes(self.num_forwards, self.num_backwards)}

    @property
    def _key(self) -> Hashable:
        return "expected_gradients", self.background, self.num_samples, self.score

    def __call__(self, signals: Signals) -> Tensor:
        attribution_BCHW = signals.once(self._key, lambda: self._expected(signals))
        return over_channels(attribution_BCHW, self.channels)

    def _expected(self, signals: Signals) -> Tensor:
        x_BCHW, batch = signals.normalised_BCHW, signals.batch
        _, channels, height, width = x_BCHW.shape
        places, others = (
            [generator(batch.seed, image_id, purpose) for image_id in batch.image_ids]
            for purpose in ("gradient_shap", "background")
        )
        ways: dict[int, Tensor] = {}

        def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
            count = part.last - part.first
            drawn = self.background.draw(others[part.image], count, (channels, height, width))
            other_TCHW = signals.classifier.normalised_colour(drawn.to(x_BCHW.device))
            way_TCHW = ways[part.image] = x_BCHW[part.image] - other_TCHW
            place_T = torch.from_numpy(places[part.image].random(count)).to(x_BCHW)
            torch.addcmul(other_TCHW, place_T[:, None, None, None], way_TCHW, out=copies_TCHW)

        total_BCHW = torch.zeros_like(x_BCHW)
        counts = [self.num_samples] * len(x_BCHW)
        for parts, gradient_NCHW in target_gradients(signals, counts, perturb, self.score):
            for part in parts:
                total_BCHW[part.image] += (ways[part.image] * gradient_NCHW[part.rows]).sum(0)
        return total_BCHW / self.num_samples
