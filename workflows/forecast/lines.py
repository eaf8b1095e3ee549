"""What a plan counts, and its rows: how often each thing is done, for whom and by which method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

SHARED = "shared by all"
"""Loading, and the passes whose signals several explainers use."""
TIMING = "efficiency timings"
RETRAINING = "remove and retrain"
TUNING = "fine-tuning"
"""And what tuned models say of unmodified images."""

What = Literal[
    "forward", "backward", "training", "copy", "method", "rest", "superpixels", "loading", "masks",
    "scores", "ranks",
]  # fmt: skip
PASSES = ("forward", "backward", "training")
"""What a model's speed decides."""


@dataclass(frozen=True)
class Unit:
    """Something that a run does for every image, or for every part file."""

    what: What
    name: str
    size: tuple[int, int]
    batch: int
    """Images at a time, or rows of a part."""
    subject: Any = field(default=None, compare=False)
    """What is run: a model's specification, an explainer, metric, segmenter or data set."""

    @property
    def key(self) -> str:
        height, width = self.size
        return f"{self.what}: {self.name} at {height}x{width}, {self.batch} at a time"


class Amounts(Counter[Unit]):
    """How many times each unit is to be done."""

    def passes(self, what: str) -> float:
        """Return the images of forward or backward passes; a training step has one of each."""
        return sum(n for unit, n in self.items() if unit.what in {what, "training"})

    def seconds(self, of: Callable[[Unit], float]) -> float:
        """Return how long all of it takes, by what each unit does."""
        return sum(n * of(unit) for unit, n in self.items())


@dataclass
class CostLine:
    """A row of the table: what an explainer takes on a data set and model, for instance."""

    images: int = 0
    rows: int = 0
    bytes: float = 0.0
    work: Amounts = field(default_factory=Amounts)

    def add(self, other: CostLine) -> None:
        self.images = max(self.images, other.images)
        self.rows += other.rows
        self.bytes += other.bytes
        self.work.update(other.work)


class Subject(NamedTuple):
    """What is explained: the images of a data set by a model."""

    dataset: str
    model: str


Lines = dict[tuple[Subject, str], CostLine]


def units_of(*tables: Lines) -> set[Unit]:
    """Return all that must be measured before it is known how long some lines take."""
    return {unit for lines in tables for line in lines.values() for unit in line.work}
