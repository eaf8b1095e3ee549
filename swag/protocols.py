"""What explainers, metrics, segmenters and fillings are: protocols that any class may fulfil.

Each is a frozen dataclass: its fields are its configuration, and its `version` grows when its
numbers change. Some attributes may be left out, and are read by the functions below:

- `num_forwards` and `num_backwards`, 0 without them: the model passes of an image that it runs by
  itself, beside the classification and the gradients that `needs` announces, which all methods of
  a batch share. Both may be properties of the fields. A plan counts them, and a method with passes
  of its own that does not say so looks cheaper than it is.
- `num_forwards_once`, 0 without it: forward passes of an image that a metric runs once for all its
  saliencies, because they do not depend on them.
- `passes_once`, nothing without it: those of its own passes whose outcome other methods of a batch
  read too, by the key of `signals.once` under which it is kept. A plan counts each key once.
- `num_explanations`, 0 without it: how many times a metric explains an image again, by
  `signals.explained_again`, each at the cost of the explainer that it judges.
- `randomised_once`, nothing without it: which shares of a model's layers, counted from the last, a
  metric has drawn anew in copies of the model that it makes once for all saliencies of a batch.
- `needs_of_model`, "" without it: what an explainer needs of a model that `needs` does not say, in
  words for readers.
- `superpixels`, None without it: the segmenter whose labels an explainer or metric reads by
  `signals.segments`. A plan counts it once for all that have an equal one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from swag.classifier import Classifier
from swag.signals import Signals
from swag.types import Batch, Kind, Score


@runtime_checkable
class Explainer(Protocol):
    """Makes saliencies."""

    version: ClassVar[int]
    kind: ClassVar[Kind]
    """"region", "pixel" or "control": how a report groups it and how its maps are packed."""

    @property
    def needs(self) -> frozenset[str]:
        """Signals of `swag.signals.SIGNALS` that it reads; one pass computes those of all."""

    def __call__(self, signals: Signals) -> Tensor:
        """Return saliency_BHW: float32, finite, on the batch's device."""


@runtime_checkable
class Metric(Protocol):
    """Judges saliencies, and by them the explainer, which its signals can ask again."""

    version: ClassVar[int]

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value is a better one; it may follow from the fields."""

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        """Score each image's saliency."""


class Perturbation(Protocol):
    """What images lose while a model is fine-tuned; its `version` grows as everywhere."""

    version: ClassVar[int]

    def __call__(self, size: tuple[int, int], count: int, rng: np.random.Generator) -> Tensor:
        """Draw for `count` images which pixels stay, bool (B, H, W) on the CPU."""


@runtime_checkable
class TunedMetric(Metric, Protocol):
    """Judges saliencies by a model that knows perturbed images.

    Its signals are those of the model under study after it was fine-tuned on images with what
    `perturbation` takes away at 0 after normalisation. Saliencies and targets are of the model
    before.
    """

    @property
    def perturbation(self) -> Perturbation: ...


@runtime_checkable
class ExplainerMetric(Protocol):
    """Judges an explainer itself, as how long it takes, and not its saliencies."""

    version: ClassVar[int]
    higher_is_better: ClassVar[bool]

    @property
    def images(self) -> int:
        """So many of a data set it is measured on, its first ones."""

    def measure(self, explainer: Explainer, classifier: Classifier, batch: Batch) -> Score:
        """Score the explainer on each image, while nothing else runs on the device."""


@runtime_checkable
class Segmenter(Protocol):
    """Divides the images of a batch into superpixels.

    It is a part of an explainer's configuration. A `version` of its own is counted where it has
    one; else the explainer's grows when its labels change.
    """

    @property
    def needs(self) -> frozenset[str]:
        """Gradient signals it reads; an explainer's `needs` include those of its segmenter."""

    def __hash__(self) -> int:
        """Labels are remembered by it."""

    def __call__(self, signals: Signals) -> Tensor:
        """Return labels_BHW: int64, from 0 without gaps in each image, on the batch's device."""


Painter = Callable[[int, Tensor, Tensor], None]
"""Takes the number of an image of the batch and shown_T1HW, 1 where a copy shows a pixel and 0
where it is removed; writes normalised copies_TCHW into the tensor that it is given."""


@runtime_checkable
class Filling(Protocol):
    """Says what takes the place of pixels that are removed.

    It is a part of a metric's configuration, as a segmenter is, and follows the same rules. One
    whose painter takes longer than a copy of memory may say `in_threads = True`: on a CPU the
    copies of several images are then painted at once.
    """

    @property
    def is_constant(self) -> bool:
        """Whether every image without any pixel left is the same one, of one colour."""

    def __call__(self, signals: Signals) -> Painter:
        """Return what paints the copies of a batch's images."""


class Passes(NamedTuple):
    """Model passes of an image."""

    forwards: int
    backwards: int


def passes_of(item: object) -> Passes:
    """Return the passes that an explainer or metric runs by itself."""
    return Passes(getattr(item, "num_forwards", 0), getattr(item, "num_backwards", 0))


def forwards_once(item: object) -> int:
    """Return the passes that a metric runs once for all saliencies of an image."""
    return int(getattr(item, "num_forwards_once", 0))


def passes_once(item: object) -> Mapping[Hashable, Passes]:
    """Return which of its own passes an explainer or segmenter runs for all, by their keys."""
    found: Mapping[Hashable, Passes] = getattr(item, "passes_once", {})
    return found


def summed(passes: Iterable[Passes]) -> Passes:
    """Return how many some passes are together."""
    listed = list(passes)
    return Passes(sum(each.forwards for each in listed), sum(each.backwards for each in listed))


def randomised_once(item: object) -> tuple[tuple[float, float], ...]:
    """Return of each copy of the model that a metric makes the share of layers drawn anew."""
    found: tuple[tuple[float, float], ...] = getattr(item, "randomised_once", ())
    return found


def explanations_of(item: object) -> int:
    """Return how many times a metric explains an image again."""
    return int(getattr(item, "num_explanations", 0))


def judging_passes(metric: object, explainer: object) -> Passes:
    """Return the passes of an image with which a metric judges an explainer."""
    own, again = passes_of(metric), passes_of(explainer)
    shared = shared_passes(needs_of(explainer)) if asks_model(explainer) else Passes(0, 0)
    count = explanations_of(metric)
    return Passes(
        own.forwards + count * (shared.forwards + again.forwards),
        own.backwards + count * (shared.backwards + again.backwards),
    )


def segmenter_of(item: object) -> Segmenter | None:
    """Return the segmenter whose labels an explainer or metric reads, if any."""
    found = getattr(item, "superpixels", None)
    return found if isinstance(found, Segmenter) else None


def needs_of(item: object) -> frozenset[str]:
    """Return the gradient signals that an explainer or segmenter announces; a metric has none."""
    return getattr(item, "needs", frozenset())


def asks_model(explainer: object) -> bool:
    """Return whether a known class is explained by passes; else no pass is run for it."""
    return bool(needs_of(explainer)) or any(passes_of(explainer))


def reads_layer(explainer: object) -> bool:
    """Return whether an explainer's maps depend on which layer Grad-CAM takes."""
    of_layer = needs_of(explainer) & {"layer", "layer_activation"}
    return bool(getattr(explainer, "reads_layer", of_layer))


def shared_passes(needs: frozenset[str]) -> Passes:
    """Return what the classification and some gradient signals cost together."""
    backwards = bool(needs & {"gradient", "layer"}) + ("guided_gradient" in needs)
    return Passes(1, backwards)
