"""Integrated gradients of the target's probability."""

from __future__ import annotations

import torch
from torch import Tensor

from swag.packing import passes
from swag.signals import Signals, require_classes


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
    key = ("integrated_gradient", num_steps, with_ends)
    return signals.once(key, lambda: _integrate(signals, num_steps, with_ends=with_ends))


def num_passes(num_steps: int, *, with_ends: bool = True) -> int:
    """Return the forward and backward passes of an image that `integrated_gradient` runs."""
    return 2 * (num_steps - 1) + 1 if with_ends else 2 * num_steps


def _integrate(signals: Signals, num_steps: int, *, with_ends: bool) -> Tensor:
    require_classes(signals.target_B, signals.probability_BK)
    image_BCHW, end_BCHW = signals.batch.image_BCHW, signals.normalised_BCHW
    baseline_2B111 = torch.stack(image_BCHW.flatten(1).aminmax(dim=1)).view(2, -1, 1, 1, 1)
    # Each image has the points before the end from the low baseline, those from the high one, and
    # the end.
    if with_ends:
        before_T = torch.linspace(0, 1, num_steps, dtype=torch.float64)[:-1]
    else:
        before_T = (torch.arange(num_steps, dtype=torch.float64) + 0.5) / num_steps
    end_T = torch.ones(int(with_ends))
    fraction_T = torch.cat([before_T, before_T, end_T]).to(image_BCHW)
    from_high_T = (torch.arange(len(fraction_T)) >= len(before_T)).long().to(image_BCHW.device)
    start_TBC11 = signals.classifier.normalised_colour(baseline_2B111)[from_high_T]
    counts_2T = torch.stack([1 - from_high_T, from_high_T]).to(image_BCHW)
    if with_ends:
        counts_2T[:, -1] = 1

    # A backward pass needs the outputs of all layers at once, so it holds fewer images.
    size = signals.classifier.backward_batch_size
    num_points = [len(fraction_T)] * len(image_BCHW)
    points_NCHW = end_BCHW.new_empty((min(size, sum(num_points)), *end_BCHW.shape[1:]))
    total_2BCHW = end_BCHW.new_zeros((2, *end_BCHW.shape))
    for parts in passes(num_points, size):
        for image, first, last, rows in parts:
            fraction_T111 = fraction_T[first:last, None, None, None]
            start_TC11 = start_TBC11[first:last, image]
            torch.lerp(start_TC11, end_BCHW[image], fraction_T111, out=points_NCHW[rows])
        target_N = torch.cat(
            [signals.target_B[part.image].expand(part.last - part.first) for part in parts]
        )
        gradient_NCHW = _gradient(signals, points_NCHW[: len(target_N)], target_N)
        for image, first, last, rows in parts:
            total_2BCHW[:, image] += torch.einsum(
                "kt,tchw->kchw", counts_2T[:, first:last], gradient_NCHW[rows]
            )
    mean_2BCHW = total_2BCHW / (num_steps * signals.classifier.std_1C11)
    return (mean_2BCHW * (image_BCHW - baseline_2B111)).mean(0)


def _gradient(signals: Signals, points_NCHW: Tensor, target_N: Tensor) -> Tensor:
    """Return the gradient of each point's target probability by the point."""
    points_NCHW = points_NCHW.detach().requires_grad_()
    with torch.enable_grad():
        classifier = signals.classifier
        probability_NK = classifier.scores(classifier.logits(points_NCHW))
        score = probability_NK.gather(1, target_N[:, None]).sum()
        return torch.autograd.grad(score, points_NCHW)[0]
