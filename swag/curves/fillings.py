"""What takes the place of pixels that are removed.

A filling is called once for a batch and returns a painter, which writes copies of one image, each
with other pixels removed. Classes without fields are one colour, or follow from the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from swag.checks import require_positive
from swag.curves.imputation import impute
from swag.protocols import Filling, Painter
from swag.rng import generator
from swag.signals import Signals


def painter_of(blank_BCHW: Tensor, image_BCHW: Tensor) -> Painter:
    """Return what shows the pixels of an image and, where they are removed, those of its blank."""

    def paint(image: int, shown_T1HW: Tensor, copies_TCHW: Tensor) -> None:
        # Exact for weights 0 and 1.
        torch.lerp(blank_BCHW[image], image_BCHW[image, None], shown_T1HW, out=copies_TCHW)

    return paint


def blank_images(signals: Signals, fill: Filling) -> Tensor:
    """Return blank_BCHW: normalised, the images of the batch without any of their pixels."""
    return signals.once(("blank_images", fill), lambda: _blank(signals, fill))


def _blank(signals: Signals, fill: Filling) -> Tensor:
    paint, blank_BCHW = fill(signals), torch.empty_like(signals.normalised_BCHW)
    nothing_11HW = torch.zeros_like(blank_BCHW[:1, :1])
    for image in range(len(blank_BCHW)):
        paint(image, nothing_11HW, blank_BCHW[image : image + 1])
    return blank_BCHW


def _one_colour(signals: Signals, value: float | None) -> Painter:
    """Return a painter with the colour of this value in all channels; None: the mean colour."""
    classifier, x_BCHW = signals.classifier, signals.normalised_BCHW
    colour_1C11 = x_BCHW.new_zeros(1)
    if value is not None:
        colour_1C11 = classifier.normalised_colour(value)
    return painter_of(colour_1C11.expand_as(x_BCHW), x_BCHW)


@dataclass(frozen=True, kw_only=True)
class MeanColour:
    """The data set's mean colour, which is 0 after normalisation."""

    is_constant: ClassVar[bool] = True

    def __call__(self, signals: Signals) -> Painter:
        return _one_colour(signals, None)


@dataclass(frozen=True, kw_only=True)
class Black:
    """Black, which is 0 before normalisation."""

    is_constant: ClassVar[bool] = True

    def __call__(self, signals: Signals) -> Painter:
        return _one_colour(signals, 0.0)


@dataclass(frozen=True, kw_only=True)
class White:
    """White, which is 1 before normalisation."""

    is_constant: ClassVar[bool] = True

    def __call__(self, signals: Signals) -> Painter:
        return _one_colour(signals, 1.0)


@dataclass(frozen=True, kw_only=True)
class ImageMean:
    """The mean colour of the image itself."""

    is_constant: ClassVar[bool] = False

    def __call__(self, signals: Signals) -> Painter:
        x_BCHW = signals.normalised_BCHW
        mean_BC11 = x_BCHW.double().mean((2, 3), keepdim=True).float()
        return painter_of(mean_BC11.expand_as(x_BCHW), x_BCHW)


@dataclass(frozen=True, kw_only=True)
class Blur:
    """The image, blurred (Petsiuk et al., 2018).

    The kernel is the authors': a Gaussian whose tails beyond `width` are folded back into it, run
    over the normalised image with the mean colour around.
    """

    is_constant: ClassVar[bool] = False

    sigma: float = 5.0
    """Of the Gaussian, in pixels."""
    width: int = 11
    """Of the kernel in pixels, odd."""

    def __post_init__(self) -> None:
        require_positive("sigma", self.sigma)
        if self.width < 1 or self.width % 2 == 0:
            raise ValueError(f"width must be an odd number of pixels, got {self.width}")

    def __call__(self, signals: Signals) -> Painter:
        return painter_of(
            signals.once(self, lambda: self._blurred(signals)), signals.normalised_BCHW
        )

    def _blurred(self, signals: Signals) -> Tensor:
        x_BCHW = signals.normalised_BCHW
        channels, half = x_BCHW.shape[1], self.width // 2
        peak = np.zeros(self.width)
        peak[half] = 1
        line = torch.from_numpy(scipy.ndimage.gaussian_filter1d(peak, self.sigma)).to(x_BCHW)
        down = line.view(1, 1, -1, 1).expand(channels, -1, -1, -1)
        across = line.view(1, 1, 1, -1).expand(channels, -1, -1, -1)
        x_BCHW = conv2d(x_BCHW, down, padding=(half, 0), groups=channels)
        return conv2d(x_BCHW, across, padding=(0, half), groups=channels)


@dataclass(frozen=True, kw_only=True)
class UniformNoise:
    """Each channel of each pixel uniform in [0, 1), drawn once for an image."""

    is_constant: ClassVar[bool] = False

    def __call__(self, signals: Signals) -> Painter:
        return painter_of(signals.once(self, lambda: _noise(signals)), signals.normalised_BCHW)


def _noise(signals: Signals) -> Tensor:
    batch = signals.batch
    shape = tuple(batch.image_BCHW.shape[1:])
    drawn = [
        generator(batch.seed, image_id, "uniform fill").random(shape, dtype=np.float32)
        for image_id in batch.image_ids
    ]
    return signals.classifier.normalise(torch.from_numpy(np.stack(drawn)).to(batch.device))


@dataclass(frozen=True, kw_only=True)
class NoisyLinear:
    """Noisy linear imputation (ROAD; Rong et al., 2022): what the neighbours of a gap make of it.

    See `swag.curves.imputation`. The noise is drawn once for an image; an image without any pixel
    left is the mean colour.
    """

    version: ClassVar[int] = 2
    is_constant: ClassVar[bool] = False
    in_threads: ClassVar[bool] = True

    noise: float = 0.01
    """Standard deviation in units of the normalised image."""

    def __post_init__(self) -> None:
        if not self.noise >= 0:
            raise ValueError(f"noise must be at least 0, got {self.noise}")

    def __call__(self, signals: Signals) -> Painter:
        x_BCHW = signals.normalised_BCHW
        noise_BCHW = signals.once(self, lambda: self._noise(signals))

        def paint(image: int, shown_T1HW: Tensor, copies_TCHW: Tensor) -> None:
            gone_T1HW = 1 - shown_T1HW
            imputed_TCHW = impute(x_BCHW[image], gone_T1HW)
            torch.addcmul(imputed_TCHW, noise_BCHW[image], gone_T1HW, out=copies_TCHW)

        return paint

    def _noise(self, signals: Signals) -> Tensor:
        batch = signals.batch
        shape = tuple(batch.image_BCHW.shape[1:])
        drawn = [
            generator(batch.seed, image_id, "imputation").standard_normal(shape, dtype=np.float32)
            for image_id in batch.image_ids
        ]
        return self.noise * torch.from_numpy(np.stack(drawn)).to(batch.device)
