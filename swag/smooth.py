"""Gradients of noisy copies of an image, and what they have in common."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from swag.packing import passes
from swag.rng import generator
from swag.signals import Signals, require_classes


class Moments(NamedTuple):
    """Of the gradients of an image's copies, float32."""

    mean_BCHW: Tensor
    square_BCHW: Tensor
    """Mean of their squares."""


def noisy_gradients(signals: Signals, num_samples: int, noise: float) -> Moments:
    """Return the moments of the gradients of noisy copies (Smilkov et al., 2017).

    The gradient of the target's logit by the normalised image is taken at `num_samples` copies of
    the [0, 1] image, each with Gaussian noise whose standard deviation is `noise` times the image's
    range. Noise is drawn from each image's own generator; copies are not clipped, as the authors'
    are not.

    Raises:
        ValueError: a target is none of the model's classes.
    """
    key = ("noisy_gradients", num_samples, noise)
    return signals.once(key, lambda: _compute(signals, num_samples, noise))


def _compute(signals: Signals, num_samples: int, noise: float) -> Moments:
    require_classes(signals.target_B, signals.logit_BK)
    batch, classifier = signals.batch, signals.classifier
    x_BCHW = signals.normalised_BCHW
    low_B, high_B = batch.image_BCHW.flatten(1).aminmax(dim=1)
    width_BC11 = (noise * (high_B - low_B)).view(-1, 1, 1, 1) / classifier.std_1C11
    random = [generator(batch.seed, image_id, "noisy_gradients") for image_id in batch.image_ids]
    total_BCHW, square_BCHW = torch.zeros_like(x_BCHW), torch.zeros_like(x_BCHW)
    # A backward pass needs the outputs of all layers at once, so it holds fewer images.
    for parts in passes([num_samples] * len(batch), classifier.backward_batch_size):
        copies, targets = [], []
        for image, first, last, _ in parts:
            shape = (last - first, *x_BCHW.shape[1:])
            noise_TCHW = torch.from_numpy(random[image].standard_normal(shape, dtype="float32"))
            copies.append(x_BCHW[image] + width_BC11[image] * noise_TCHW.to(x_BCHW.device))
            targets.append(signals.target_B[image].expand(last - first))
        gradient_NCHW = _gradient(signals, torch.cat(copies), torch.cat(targets))
        for image, _, _, rows in parts:
            total_BCHW[image] += gradient_NCHW[rows].sum(0)
            square_BCHW[image] += gradient_NCHW[rows].square().sum(0)
    return Moments(total_BCHW / num_samples, square_BCHW / num_samples)


def _gradient(signals: Signals, copies_NCHW: Tensor, target_N: Tensor) -> Tensor:
    with torch.inference_mode(mode=False), torch.enable_grad():
        x_NCHW = copies_NCHW.detach().clone().requires_grad_()
        logit_NK = signals.classifier.logits(x_NCHW.clone())
        score = logit_NK.gather(1, target_N.clone()[:, None]).sum()
        return torch.autograd.grad(score, x_NCHW)[0]
