"""Gradients of noisy copies of an image, and what they have in common."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import torch
from torch import Tensor

from swag.packing import CopiesOfImage, target_gradients
from swag.rng import generator
from swag.signals import Signals


class Moments(NamedTuple):
    """Of the gradients of an image's copies, float32."""

    mean_BCHW: Tensor
    square_BCHW: Tensor
    """Mean of their squares."""
    variance_BCHW: Tensor
    """Mean of the squared deviations from their mean, not negative."""


def noisy_gradients(signals: Signals, num_samples: int, noise: float) -> Moments:
    """Return the moments of the gradients of noisy copies (Smilkov et al., 2017).

    The gradient of the target's logit by the normalised image is taken at `num_samples` copies of
    the [0, 1] image, each with Gaussian noise whose standard deviation is `noise` times the image's
    range. Noise is drawn from each image's own generator; copies are not clipped, as the authors'
    are not.

    Raises:
        ValueError: a target is none of the model's classes.
    """
    key = key_of(num_samples, noise)
    return signals.once(key, lambda: _compute(signals, num_samples, noise))


def key_of(num_samples: int, noise: float) -> Hashable:
    """Return what `noisy_gradients` keeps its moments by."""
    return "noisy_gradients", num_samples, noise


def _compute(signals: Signals, num_samples: int, noise: float) -> Moments:
    batch, x_BCHW = signals.batch, signals.normalised_BCHW
    low_B, high_B = batch.image_BCHW.flatten(1).aminmax(dim=1)
    width_BC11 = (noise * (high_B - low_B)).view(-1, 1, 1, 1) / signals.classifier.std_1C11
    random = [generator(batch.seed, image_id, "noisy_gradients") for image_id in batch.image_ids]

    def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
        drawn = random[part.image].standard_normal(tuple(copies_TCHW.shape), dtype="float32")
        noise_TCHW = torch.from_numpy(drawn).to(x_BCHW.device)
        torch.addcmul(x_BCHW[part.image], width_BC11[part.image], noise_TCHW, out=copies_TCHW)

    # The variance is a small difference of the two where a gradient hardly changes.
    total_BCHW = torch.zeros_like(x_BCHW, dtype=torch.float64)
    square_BCHW = torch.zeros_like(total_BCHW)
    counts = [num_samples] * len(batch)
    for parts, gradient_NCHW in target_gradients(signals, counts, perturb, "logit"):
        for image, _, _, rows in parts:
            gradient_TCHW = gradient_NCHW[rows].double()
            total_BCHW[image] += gradient_TCHW.sum(0)
            square_BCHW[image] += gradient_TCHW.square().sum(0)
    mean_BCHW, square_BCHW = total_BCHW / num_samples, square_BCHW / num_samples
    variance_BCHW = (square_BCHW - mean_BCHW.square()).clamp(min=0)
    return Moments(mean_BCHW.float(), square_BCHW.float(), variance_BCHW.float())
