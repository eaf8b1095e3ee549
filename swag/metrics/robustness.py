"""Whether a saliency stays when the image hardly changes, or moves with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from swag.checks import require_at_least, require_fit, require_one_of, require_positive
from swag.rng import generator
from swag.signals import Signals
from swag.similarity import Similarity, similarity
from swag.targets import ranked_class
from swag.types import Score

Statistic = Literal["max", "mean"]
Reference = Literal["input", "output"]
Transform = Literal["flip", "shift"]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How far a saliency moves, relative to its norm, when noise is added (Yeh et al., 2019).

    Of |e(x + d) - e(x)| / |e(x)| over draws of d, the largest (Sens-max) or the mean. A saliency
    that ignores the image has 0, the best value: read it beside faithfulness. Null where e(x) is 0.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    radius: float = 0.02
    """Noise is uniform within it, per value of an image in [0, 1], which is cut to stay there."""
    num_samples: int = 10
    statistic: Statistic = "max"

    def __post_init__(self) -> None:
        require_positive("radius", self.radius)
        require_at_least("num_samples", self.num_samples, 1)
        require_one_of("statistic", self.statistic, get_args(Statistic))

    @property
    def num_explanations(self) -> int:
        return self.num_samples

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        before_BP = saliency_BHW.flatten(1).double()
        size_B = before_BP.norm(dim=1)
        moved = []
        for image_BCHW in noisy_images(signals, self.radius, self.num_samples):
            after_BP = signals.explained_again(image_BCHW).flatten(1).double()
            moved.append((after_BP - before_BP).norm(dim=1) / size_B.where(size_B > 0, torch.nan))
        moved_BS = torch.stack(moved, 1)
        value_B = moved_BS.amax(1) if self.statistic == "max" else moved_BS.mean(1)
        return Score(value_B=value_B)


@dataclass(frozen=True, kw_only=True)
class RelativeStability:
    """The largest relative change of a saliency by that of input or output (Agarwal et al., 2022).

    Eq. 2 (RIS) and 5 (ROS): |(e(x') - e(x)) / e(x)| / max(|(x' - x) / x|, epsilon) over noisy x' of
    the same predicted class, elementwise quotients, x the normalised image; for the output, the
    logits' plain difference in the denominator. Null where no x' keeps its class.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    against: Reference = "input"
    radius: float = 0.05
    """As that of `Sensitivity`."""
    num_samples: int = 10
    epsilon: float = 1e-6
    """What stands for a smaller divisor."""

    def __post_init__(self) -> None:
        require_one_of("against", self.against, get_args(Reference))
        require_positive("radius", self.radius)
        require_positive("epsilon", self.epsilon)
        require_at_least("num_samples", self.num_samples, 1)

    @property
    def num_explanations(self) -> int:
        return self.num_samples

    @property
    def num_forwards(self) -> int:
        """Whether the class is the same."""
        return self.num_samples

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        before_BP, found = saliency_BHW.flatten(1).double(), []
        classifier = signals.classifier
        for image_BCHW in noisy_images(signals, self.radius, self.num_samples):
            x_BCHW = classifier.normalise(image_BCHW)
            logit_BK = classifier.all_logits(x_BCHW.clone())
            after_BP = signals.explained_again(image_BCHW).flatten(1).double()
            change_B = self._relative(after_BP, before_BP)
            if self.against == "output":
                by_B = (logit_BK - signals.logit_BK).double().norm(dim=1)
            else:
                by_B = self._relative(
                    x_BCHW.flatten(1).double(), signals.normalised_BCHW.flatten(1).double()
                )
            kept_B = ranked_class(logit_BK, 1) == signals.prediction_B
            found.append((change_B / by_B.clamp(min=self.epsilon)).where(kept_B, -torch.inf))
        value_B = torch.stack(found, 1).amax(1)
        return Score(value_B=value_B.where(value_B >= 0, torch.nan))

    def _relative(self, after_BP: Tensor, before_BP: Tensor) -> Tensor:
        """Return the norm of the elementwise relative change."""
        small = before_BP.abs() < self.epsilon
        quotient_BP: Tensor = (after_BP - before_BP) / before_BP.where(~small, self.epsilon)
        size_B: Tensor = quotient_BP.norm(dim=1)
        return size_B


@dataclass(frozen=True, kw_only=True)
class Equivariance:
    """Whether the saliency of a flipped or shifted image is the flipped or shifted saliency.

    Their similarity; 1 where the method moves with the image. Null where one of them is constant.
    """

    version: ClassVar[int] = 2
    higher_is_better: ClassVar[bool] = True
    num_explanations: ClassVar[int] = 1

    transform: Transform = "flip"
    """Left and right exchanged, or all moved to the right, what leaves coming in on the left."""
    pixels: int = 8
    """How far it is shifted."""
    similarity: Similarity = "spearman"

    def __post_init__(self) -> None:
        require_one_of("transform", self.transform, get_args(Transform))
        require_one_of("similarity", self.similarity, get_args(Similarity))

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        found_BHW = signals.explained_again(self._moved(signals.batch.image_BCHW))
        value_B = similarity(found_BHW, self._moved(saliency_BHW), self.similarity)
        return Score(value_B=value_B)

    def _moved(self, tensor: Tensor) -> Tensor:
        if self.transform == "flip":
            return tensor.flip(-1)
        return tensor.roll(self.pixels, -1)


def noisy_images(signals: Signals, radius: float, count: int) -> Iterator[Tensor]:
    """Yield `count` copies of the batch's images with uniform noise, in [0, 1]."""
    batch = signals.batch
    rngs = [generator(batch.seed, name, "robustness") for name in batch.image_ids]
    shape = batch.image_BCHW.shape[1:]
    for _ in range(count):
        noise = [torch.from_numpy(rng.uniform(-radius, radius, shape)).float() for rng in rngs]
        yield (batch.image_BCHW + torch.stack(noise).to(batch.device)).clamp(0, 1)
