"""How long an explainer takes, measured on itself and not on its saliencies."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from swag.classifier import Classifier
from swag.protocols import Explainer
from swag.signals import Signals
from swag.types import Batch, Score

CHEAP_WARM_UP = 1.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Seconds that an explainer alone takes for an image (Hartley et al., section 4.4).

    The value is of one image at a time, as in the paper; the column `seconds_batched` is of
    `batch_size` images at a time, divided by their number. Nothing is shared with other methods:
    each measurement begins with an image in [0, 1] on the device and ends when the device has its
    saliency. The model is loaded and the first image explained once before. A batch is warmed up
    too where that takes about a second or less; beyond that, what only a first call does is lost in
    the rest.

    Times are of the machine as it is: other work on it makes them longer.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    images: int = 8
    """So many of a data set it is measured on, its first ones."""

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"efficiency needs at least 1 image, got {self.images}")

    def measure(self, explainer: Explainer, classifier: Classifier, batch: Batch) -> Score:
        """Time each image of a batch, alone and in its turn of `classifier.batch_size`."""
        singles = [part_of(batch, index, index + 1) for index in range(len(batch))]
        seconds_of(explainer, classifier, singles[0])
        alone = [seconds_of(explainer, classifier, single) for single in singles]
        size = classifier.batch_size
        turns = [part_of(batch, first, first + size) for first in range(0, len(batch), size)]
        if sum(alone[:size]) <= CHEAP_WARM_UP:
            seconds_of(explainer, classifier, turns[0])
        batched: list[float] = []
        for turn in turns:
            seconds = seconds_of(explainer, classifier, turn)
            batched += [seconds / len(turn)] * len(turn)
        return Score(
            value_B=torch.tensor(alone, dtype=torch.float64),
            columns={"seconds_batched": torch.tensor(batched, dtype=torch.float64)},
        )


def seconds_of(explainer: Explainer, classifier: Classifier, batch: Batch) -> float:
    """Return the wall time of one explanation with signals of its own."""
    signals = Signals(classifier, batch, explainer.needs)
    _synchronise(batch.device)
    start = time.perf_counter()
    explainer(signals)
    _synchronise(batch.device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def part_of(batch: Batch, first: int, last: int) -> Batch:
    """Return the images `first` to `last` (exclusive) as a batch of their own."""
    rows = slice(first, last)
    return replace(
        batch,
        image_BCHW=batch.image_BCHW[rows],
        image_ids=batch.image_ids[rows],
        target_B=None if batch.target_B is None else batch.target_B[rows],
        label_B=None if batch.label_B is None else batch.label_B[rows],
        boxes=None if batch.boxes is None else batch.boxes[rows],
        mask_BHW=None if batch.mask_BHW is None else batch.mask_BHW[rows],
    )
