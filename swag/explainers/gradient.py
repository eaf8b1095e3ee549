"""Pixel methods: one importance per pixel, from gradients at the image or at noisy copies of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor

from swag.channels import Channels, over_channels
from swag.checks import require_at_least, require_one_of
from swag.importance import SMOOTH_NOISE, SMOOTH_SAMPLES, pixel_importance
from swag.protocols import Passes
from swag.signals import Signals
from swag.smooth import Moments, key_of, noisy_gradients
from swag.types import Kind

Moment = Literal["mean", "square", "variance"]


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop:
    """Largest magnitude over channels of the guided gradient (Springenberg et al., 2015)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"guided_gradient"})

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "guided_gradient")


@dataclass(frozen=True, kw_only=True)
class VanillaGradient:
    """Largest magnitude over channels of the gradient (Simonyan et al., 2014)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "gradient")


@dataclass(frozen=True, kw_only=True)
class InputXGradient:
    """The normalised image times the gradient (Shrikumar et al., 2016).

    To first order it is what a pixel adds to the target's logit beside the mean colour, of either
    sign.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    channels: Channels = "sum"

    def __post_init__(self) -> None:
        require_one_of("channels", self.channels, get_args(Channels))

    def __call__(self, signals: Signals) -> Tensor:
        return over_channels(signals.normalised_BCHW * signals.gradient_BCHW, self.channels)


@dataclass(frozen=True, kw_only=True)
class SmoothGrad:
    """A moment of the gradients of noisy copies, for each channel.

    The mean is SmoothGrad (Smilkov et al., 2017), the mean square SmoothGrad squared
    (Hooker et al., 2019), the variance VarGrad (Adebayo et al., ICLR 2018 workshop). All three read
    the same passes, see `swag.smooth.noisy_gradients`.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    statistic: Moment = "mean"
    num_samples: int = SMOOTH_SAMPLES
    noise: float = SMOOTH_NOISE
    """Standard deviation in shares of the image's range."""
    channels: Channels = "max_abs"

    def __post_init__(self) -> None:
        require_one_of("statistic", self.statistic, get_args(Moment))
        require_one_of("channels", self.channels, get_args(Channels))
        require_at_least("num_samples", self.num_samples, 1)
        if not self.noise >= 0:
            raise ValueError(f"noise must be at least 0, got {self.noise}")

    @property
    def num_forwards(self) -> int:
        """Model passes per image."""
        return self.num_samples

    num_backwards = num_forwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        passes = Passes(self.num_samples, self.num_samples)
        return {key_of(self.num_samples, self.noise): passes}

    def __call__(self, signals: Signals) -> Tensor:
        moments: Moments = noisy_gradients(signals, self.num_samples, self.noise)
        found_BCHW = {
            "mean": moments.mean_BCHW,
            "square": moments.square_BCHW,
            "variance": moments.variance_BCHW,
        }
        return over_channels(found_BCHW[self.statistic], self.channels)
