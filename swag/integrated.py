"""Gradients of the target's score along the straight way from a baseline to the image."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from swag.packing import CopiesOfImage, target_gradients
from swag.signals import Signals
from swag.types import TargetScore

Rule = Literal["middle", "left", "right", "trapezoid", "gauss_legendre"]
"""Where on the way of `steps` equal steps gradients are taken, and what each counts."""


def integrated_gradient(signals: Signals, num_steps: int, *, with_ends: bool = True) -> Tensor:
    """Return attribution_BCHW, float32 (Sundararajan et al., 2017, as XRAI's authors sum it).

    The gradient of the target's softmax output by the [0, 1] image is summed at `num_steps` points
    on the way to the image from each of two uniform images: of the image's smallest and of its
    largest value.

    Args:
        with_ends: as XRAI's authors, points from end to end; the way's end, the image itself, is
            common to both. Else the middles of as many equal steps. At a uniform image's end all
            inputs of a max pooling tie, so that a rounding decides where its gradient goes.

    Raises:
        ValueError: a target is none of the model's classes.
    """
    key = key_of(num_steps, with_ends=with_ends)
    return signals.once(key, lambda: _from_dark_and_bright(signals, num_steps, with_ends=with_ends))


def key_of(num_steps: int, *, with_ends: bool = True) -> Hashable:
    """Return what `integrated_gradient` keeps its attribution by."""
    return "integrated_gradient", num_steps, with_ends


def num_passes(num_steps: int, *, with_ends: bool = True) -> int:
    """Return the forward and backward passes of an image that `integrated_gradient` runs."""
    return 2 * (num_steps - 1) + 1 if with_ends else 2 * num_steps


def _from_dark_and_bright(signals: Signals, num_steps: int, *, with_ends: bool) -> Tensor:
    image_BCHW = signals.batch.image_BCHW
    baseline_2B111 = torch.stack(image_BCHW.flatten(1).aminmax(dim=1)).view(2, -1, 1, 1, 1)
    if with_ends:
        points = np.linspace(0, 1, num_steps), np.ones(num_steps)
    else:
        points = points_of("middle", num_steps)
    start_2BC11 = signals.classifier.normalised_colour(baseline_2B111)
    total_2BCHW = gradients_on_the_way(signals, start_2BC11, points, "probability")
    mean_2BCHW = total_2BCHW / (num_steps * signals.classifier.std_1C11)
    return (mean_2BCHW * (image_BCHW - baseline_2B111)).mean(0)


def contributions(
    signals: Signals, start_BCHW: Tensor, steps: int, rule: Rule, score: TargetScore
) -> Tensor:
    """Return attribution_BCHW, float32: integrated gradients from normalised images `start_BCHW`.

    Gradients are of the target's score (Sundararajan et al., 2017, eq. 1; the sum is eq. 3 where
    `rule` is "right"). Over an image they add up to the difference of the scores at both ends.

    Raises:
        ValueError: a target is none of the model's classes.
    """
    total_1BCHW = gradients_on_the_way(signals, start_BCHW[None], points_of(rule, steps), score)
    return total_1BCHW[0] / steps * (signals.normalised_BCHW - start_BCHW)


def points_of(rule: Rule, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return fraction_T of the way, ascending, and weight_T, whose sum is `steps`; float64."""
    if rule == "gauss_legendre":
        place_T, weight_T = np.polynomial.legendre.leggauss(steps)
        return (1 + place_T) / 2, weight_T * steps / 2
    if rule == "trapezoid":
        weight_T = np.ones(steps + 1)
        weight_T[[0, -1]] = 0.5
        return np.arange(steps + 1) / steps, weight_T
    shift = {"left": 0.0, "middle": 0.5, "right": 1.0}[rule]
    return (np.arange(steps) + shift) / steps, np.ones(steps)


def num_points(rule: Rule, steps: int) -> int:
    """Return the forward and backward passes of an image that `contributions` runs."""
    return steps + 1 if rule == "trapezoid" else steps


def gradients_on_the_way(
    signals: Signals,
    start_KBCHW: Tensor,
    points: tuple[np.ndarray, np.ndarray],
    score: TargetScore,
) -> Tensor:
    """Return total_KBCHW, the weighted sum of gradients by the normalised image from each start.

    Args:
        start_KBCHW: normalised images, or colours of shape (K, B, C, 1, 1).
        points: fraction_T of the way, ascending, and weight_T. Where the last fraction is 1, that
            point is the image itself, which all ways share.
    """
    end_BCHW = signals.normalised_BCHW
    fractions, weights = points
    num_starts, ends = len(start_KBCHW), int(fractions[-1] == 1)
    before = len(fractions) - ends
    # Each image has the points before the end from each start, and then the end once.
    fraction_T = torch.from_numpy(
        np.append(np.tile(fractions[:before], num_starts), [1.0] * ends)
    ).to(end_BCHW)
    start_T = (torch.arange(len(fraction_T)) // max(before, 1)).clamp(max=num_starts - 1)
    start_T = start_T.to(end_BCHW.device)
    weight_KT = torch.zeros(num_starts, len(fraction_T), dtype=torch.float64)
    for start in range(num_starts):
        weight_KT[start, start * before : (start + 1) * before] = torch.from_numpy(weights[:before])
        weight_KT[start, len(fraction_T) - ends :] = float(weights[-1])
    weight_KT = weight_KT.to(end_BCHW)

    def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
        rows = slice(part.first, part.last)
        start_TCHW = start_KBCHW[start_T[rows], part.image]
        fraction_T111 = fraction_T[rows, None, None, None]
        torch.lerp(start_TCHW, end_BCHW[part.image], fraction_T111, out=copies_TCHW)

    total_KBCHW = end_BCHW.new_zeros((num_starts, *end_BCHW.shape))
    counts = [len(fraction_T)] * len(end_BCHW)
    for parts, gradient_NCHW in target_gradients(signals, counts, perturb, score):
        for image, first, last, rows in parts:
            total_KBCHW[:, image] += torch.einsum(
                "kt,tchw->kchw", weight_KT[:, first:last], gradient_NCHW[rows]
            )
    return total_KBCHW
