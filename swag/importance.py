"""M: one importance per pixel, which SWAG pools and its superpixels follow."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from swag import integrated, smooth
from swag.channels import grey_B1HW
from swag.integrated import integrated_gradient, num_passes
from swag.protocols import Passes
from swag.rng import generator
from swag.signals import Signals
from swag.smooth import noisy_gradients

Source = Literal[
    "guided_gradient", "gradient", "integrated_gradient", "smooth_gradient", "noise", "sobel"
]
INTEGRATION_STEPS = 25
SMOOTH_SAMPLES, SMOOTH_NOISE = 25, 0.15
"""As Smilkov et al.'s own code."""


def pixel_importance(signals: Signals, source: Source) -> Tensor:
    """Return M_BHW of `source`, float32 and not negative (Hartley et al., section 3.1).

    Gradients are of the target's logit by the normalised image; M is the largest magnitude over
    the colour channels. "integrated_gradient" is that of the target's probability over
    `INTEGRATION_STEPS` steps from dark and from bright (see `integrated_gradient`), and
    "smooth_gradient" the mean over `SMOOTH_SAMPLES` noisy copies (see `noisy_gradients`). "noise"
    is uniform in [0, 1), drawn per image; "sobel" is the magnitude of the Sobel gradient of the
    grey image (both for the sanity check, Table 2).
    """
    return signals.once(("pixel_importance", source), lambda: _compute(signals, source))


def _compute(signals: Signals, source: Source) -> Tensor:
    if source == "guided_gradient":
        return signals.guided_gradient_BCHW.abs().amax(1)
    if source == "gradient":
        return signals.gradient_BCHW.abs().amax(1)
    if source == "integrated_gradient":
        integrated_BCHW = integrated_gradient(signals, INTEGRATION_STEPS, with_ends=False)
        return integrated_BCHW.abs().amax(1)
    if source == "smooth_gradient":
        return noisy_gradients(signals, SMOOTH_SAMPLES, SMOOTH_NOISE).mean_BCHW.abs().amax(1)
    if source == "noise":
        return uniform_noise(signals)
    if source == "sobel":
        return sobel_magnitude(signals.batch.image_BCHW)
    raise ValueError(f"pixel importance {source!r} is unknown; choose one of {get_args(Source)}")


def gradient_need(source: Source) -> frozenset[str]:
    """Return the gradient signals that `source` reads."""
    return frozenset({source} & {"guided_gradient", "gradient"})


def passes_of_source(source: Source) -> Mapping[Hashable, Passes]:
    """Return the passes of an image that `source` runs, by what their outcome is kept by."""
    if source == "integrated_gradient":
        count = num_passes(INTEGRATION_STEPS, with_ends=False)
        return {integrated.key_of(INTEGRATION_STEPS, with_ends=False): Passes(count, count)}
    if source == "smooth_gradient":
        passes = Passes(SMOOTH_SAMPLES, SMOOTH_SAMPLES)
        return {smooth.key_of(SMOOTH_SAMPLES, SMOOTH_NOISE): passes}
    return {}


def uniform_noise(signals: Signals) -> Tensor:
    """Return float32 noise_BHW in [0, 1), drawn from each image's own generator."""
    batch = signals.batch
    height, width = batch.image_BCHW.shape[2:]
    noise = [
        generator(batch.seed, image_id, "noise").random((height, width), dtype=np.float32)
        for image_id in batch.image_ids
    ]
    return torch.from_numpy(np.stack(noise)).to(batch.device)


def sobel_magnitude(image_BCHW: Tensor) -> Tensor:
    """Return the magnitude of the Sobel gradient of the grey image (ITU-R 709 weights; of other
    than three channels their mean).

    Borders repeat the outermost pixel, so that a constant image has no edges.
    """
    grey_BHW = F.pad(grey_B1HW(image_BCHW), (1, 1, 1, 1), mode="replicate")[:, 0]
    # Differences before sums: they are exactly zero where nothing changes.
    across_BHW = grey_BHW[:, :, 2:] - grey_BHW[:, :, :-2]
    down_BHW = grey_BHW[:, 2:] - grey_BHW[:, :-2]
    across_BHW = across_BHW[:, :-2] + 2 * across_BHW[:, 1:-1] + across_BHW[:, 2:]
    down_BHW = down_BHW[:, :, :-2] + 2 * down_BHW[:, :, 1:-1] + down_BHW[:, :, 2:]
    return (across_BHW.square() + down_BHW.square()).sqrt() / 8
