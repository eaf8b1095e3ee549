"""Perturbed copies of many images in full passes of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from swag.backward import recording
from swag.classifier import Classifier
from swag.parallel import each
from swag.signals import Signals, require_classes
from swag.types import TargetScore


class CopiesOfImage(NamedTuple):
    """The copies `first` to `last` (exclusive) of an image in a pass, at its `rows`."""

    image: int
    first: int
    last: int
    rows: slice


Perturb = Callable[[CopiesOfImage, Tensor], None]
"""Writes a part's normalised copies_TCHW into the tensor that it is given."""
Read = Callable[[Tensor], Tensor]
"""Makes each class's score_NK of its logit_NK."""


def passes(counts: Sequence[int], size: int) -> Iterator[list[CopiesOfImage]]:
    """Yield passes of `size` copies, the last one of what is left, image after image."""
    parts: list[CopiesOfImage] = []
    filled = 0
    for image, count in enumerate(counts):
        first = 0
        while first < count:
            last = min(count, first + size - filled)
            parts.append(CopiesOfImage(image, first, last, slice(filled, filled + last - first)))
            filled += last - first
            first = last
            if filled == size:
                yield parts
                parts, filled = [], 0
    if parts:
        yield parts


def target_probability(signals: Signals, counts: Sequence[int], perturb: Perturb) -> list[Tensor]:
    """Return per image the target's probability_T on each of its `counts[image]` copies."""
    return target_scores(signals, counts, perturb, signals.classifier.scores)


def reads(classifier: Classifier, score: TargetScore) -> Read:
    """Return what makes each class's score of its logit."""
    return classifier.scores if score == "probability" else _unchanged


def of_target(signals: Signals, score: TargetScore) -> Tensor:
    """Return score_B of the target on the unmodified image."""
    value_BK = signals.probability_BK if score == "probability" else signals.logit_BK
    return value_BK.gather(1, signals.target_B[:, None])[:, 0]


def _unchanged(logit_NK: Tensor) -> Tensor:
    return logit_NK


def target_scores(
    signals: Signals,
    counts: Sequence[int],
    perturb: Perturb,
    read: Read,
    *,
    in_threads: bool = False,
) -> list[Tensor]:
    """Return per image what is read of the target, score_T, on each of `counts[image]` copies.

    Copies of several images share a pass, so that every pass but the last is full. Where copies
    take long to make, a thread of the CPU makes those of an image (`in_threads`).

    Raises:
        ValueError: a target is none of the model's classes.
    """
    require_classes(signals.target_B, signals.logit_BK)
    classifier = signals.classifier
    targets = signals.target_B.tolist()
    normalised_BCHW = signals.normalised_BCHW
    size = min(classifier.batch_size, sum(counts))
    copies_NCHW = normalised_BCHW.new_empty((size, *normalised_BCHW.shape[1:]))
    found: list[list[Tensor]] = [[normalised_BCHW.new_empty(0)] for _ in counts]
    for parts in passes(counts, classifier.batch_size):
        rows = [copies_NCHW[part.rows] for part in parts]
        if in_threads and copies_NCHW.device.type == "cpu":
            each(perturb, parts, rows)
        else:
            for part, copies_TCHW in zip(parts, rows, strict=True):
                perturb(part, copies_TCHW)
        score_NK = read(classifier.copies_logits(copies_NCHW[: parts[-1].rows.stop]))
        for part in parts:
            found[part.image].append(score_NK[part.rows, targets[part.image]].clone())
    return [torch.cat(values) for values in found]


def target_gradients(
    signals: Signals, counts: Sequence[int], perturb: Perturb, score: TargetScore
) -> Iterator[tuple[list[CopiesOfImage], Tensor]]:
    """Yield of each pass its parts, and gradient_NCHW of the target's score by its copies.

    Passes are as those of `target_scores`, but hold fewer copies, since a backward pass needs the
    outputs of all layers at once.

    Raises:
        ValueError: a target is none of the model's classes.
    """
    require_classes(signals.target_B, signals.logit_BK)
    size = min(signals.classifier.backward_batch_size, sum(counts))
    copies_NCHW = signals.normalised_BCHW.new_empty((size, *signals.normalised_BCHW.shape[1:]))
    for parts in passes(counts, size):
        for part in parts:
            perturb(part, copies_NCHW[part.rows])
        target_N = torch.cat(
            [signals.target_B[part.image].expand(part.last - part.first) for part in parts]
        )
        yield parts, _gradient(signals, copies_NCHW[: len(target_N)], target_N, score)


def _gradient(
    signals: Signals, copies_NCHW: Tensor, target_N: Tensor, score: TargetScore
) -> Tensor:
    classifier = signals.classifier
    with recording():
        x_NCHW = copies_NCHW.detach().clone().requires_grad_()
        logit_NK = classifier.logits(x_NCHW.clone())  # the model's first layer may work in place
        value_NK = reads(classifier, score)(logit_NK)
        total = value_NK.gather(1, target_N.clone()[:, None]).sum()
        return torch.autograd.grad(total, x_NCHW)[0]
