"""How long a model's passes, its training and the making of its copies take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from swag.classifier import Classifier
from swag.forwards import CopyPasses
from swag.metrics.randomisation import randomised
from swag.models import load_classifier
from swag.signals import Signals

from ..config.benchmark import Benchmark
from ..train.fitting import fit
from .lines import Unit
from .rehearsal import LONGEST, batch_of, clock, photographs


class Models:
    """Times the passes of models with random weights; keeps the last one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._latest: tuple[object, Classifier] | None = None

    def seconds(self, unit: Unit) -> float:
        how: Any
        spec, how = unit.subject if unit.what in {"training", "copy"} else (unit.subject, None)
        spec = replace(spec, weights="random:0")
        if self._latest is None or self._latest[0] != (spec, unit.batch):
            classifier = load_classifier(spec, device=self._device, batch_size=unit.batch)
            self._latest = (spec, unit.batch), classifier
        classifier = self._latest[1]
        if unit.what == "copy":
            return clock(lambda: randomised(classifier, 0, how), classifier.device)
        image_BCHW = full_pass(classifier, unit.size)
        if unit.what == "training":
            return training_seconds(classifier, image_BCHW, how)
        if unit.what == "forward":
            return copies_seconds(classifier, image_BCHW)
        return backward_seconds(classifier, image_BCHW)


def full_pass(classifier: Classifier, size: tuple[int, int]) -> Tensor:
    """Return images for a pass: a full one, or one of about `LONGEST` seconds."""
    image_1CHW = photographs(1, size).to(classifier.device)
    alone = clock(lambda: classifier.probabilities(image_1CHW.clone()), classifier.device)
    count = max(2, min(classifier.batch_size, int(LONGEST / alone)))
    return image_1CHW.expand(count, -1, -1, -1).contiguous()


def forward_seconds(classifier: Classifier, image_BCHW: Tensor) -> float:
    """Return an image's share of a forward pass."""
    run = clock(lambda: classifier.probabilities(image_BCHW.clone()), classifier.device)
    return run / len(image_BCHW)


def copies_seconds(classifier: Classifier, image_BCHW: Tensor) -> float:
    """Return an image's share of a forward pass of perturbed copies, as most passes are."""
    classifier.copies = CopyPasses(forward=Benchmark.forward)
    classifier.copies_logits(image_BCHW[:1].clone())
    run = clock(lambda: classifier.copies_logits(image_BCHW.clone()), classifier.device)
    return run / len(image_BCHW)


def backward_seconds(classifier: Classifier, image_BCHW: Tensor) -> float:
    """Return an image's share of a backward pass to the input, the mean of plain and guided."""
    batch = batch_of(image_BCHW)
    needs = {"gradient", "guided_gradient"}
    both = clock(lambda: Signals(classifier, batch, needs).probability_BK, classifier.device)
    return max(both / len(image_BCHW) - forward_seconds(classifier, image_BCHW), 0.0) / 2


def training_seconds(classifier: Classifier, image_BCHW: Tensor, recipe: Any) -> float:
    """Return an image's share of a training step; the model's weights stay about as they are."""
    half_BCHW = image_BCHW[: max(2, len(image_BCHW) // 2)]
    label_B = torch.zeros(len(half_BCHW), dtype=torch.int64, device=half_BCHW.device)
    steps = [(half_BCHW, label_B)] * 2
    once = replace(recipe, epochs=1, learning_rate=1e-9)
    seconds = clock(lambda: fit(classifier.model, lambda _: steps, once), classifier.device)
    return seconds / (2 * len(half_BCHW))
