"""Data set, model and explainers as a third party would bring them, small enough for fast tests."""

from __future__ import annotations

import hashlib
import logging
import os
import resource
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.protocols import Explainer, passes_of
from swag.rng import generator
from swag.signals import Signals
from swag.types import Batch, Kind, Score
from swagflow.data import Sample
from swagflow.errors import ImageError

SIZE = 16


def normalised_cnn(num_classes: int = 2) -> nn.Module:
    """The same with batch normalisation, whose statistics are not those of an untrained one."""
    layers = list(toy_cnn(num_classes).children())
    for position, channels in ((4, 8), (1, 6)):
        norm = nn.BatchNorm2d(channels)
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
        layers.insert(position, norm)
    return nn.Sequential(*layers)


@dataclass(frozen=True, kw_only=True)
class Squares:
    """Noise with a bright square; every `bad_every`-th image cannot be read."""

    images: int = 8
    bad_every: int = 0
    generation: int = 0

    def open(self) -> _Squares:
        return _Squares(self)


class _Squares:
    def __init__(self, config: Squares) -> None:
        self._config = config
        self.image_ids: Sequence[str] = [f"square/{index}" for index in range(config.images)]
        self.class_names: Sequence[str] = ["left", "right"]
        text = f"squares {config.bad_every} {config.generation}"
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self.input_size = (SIZE, SIZE)

    def load(self, image_id: str) -> Sample:
        index = int(image_id.partition("/")[2])
        if self._config.bad_every and index % self._config.bad_every == 1:
            raise ImageError("the file ends too early")
        image = torch.from_numpy(
            generator(0, image_id, "pixels").random((3, SIZE, SIZE), dtype="float32") / 2
        )
        left = 2 if index % 2 == 0 else 9
        image[:, 5:10, left : left + 5] = 1.0
        return Sample(image_id, image, label=index % 2)


def toy_cnn(num_classes: int = 2) -> nn.Module:
    """A small CNN with in-place ReLUs."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, num_classes),
    )


@dataclass(frozen=True, kw_only=True)
class Brightness:
    """The image's own brightness, with a constant added."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    offset: float = 0.0

    def __call__(self, signals: Signals) -> Tensor:
        return signals.batch.image_BCHW.mean(1) + self.offset


@dataclass(frozen=True, kw_only=True)
class Failing:
    """Raises for shards that hold the image with this id."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    image_id: str = "square/0"

    def __call__(self, signals: Signals) -> Tensor:
        if self.image_id in signals.batch.image_ids:
            raise RuntimeError("no explanation today")
        return signals.batch.image_BCHW.mean(1)


@dataclass(frozen=True, kw_only=True)
class Blabbing:
    """Raises with what it should keep to itself, as a library's client may do."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        told = " ".join(f"{name}={value}" for name, value in os.environ.items())
        logging.getLogger("swagflow.plugin").warning("https://me:hunter22@host %s", told)
        try:
            raise OSError(f"GET https://me:hunter22@host/x?X-Amz-Signature=hunter22 {told}")
        except OSError as error:
            raise RuntimeError(f"https://me:hunter22@host/x?sig=hunter22&a=b: {told}") from error


@dataclass(frozen=True, kw_only=True)
class Hungry:
    """Asks for more memory than its process may have, or says at once that there is none."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    ask: Literal["raise", "numpy", "torch"] = "raise"

    def __call__(self, signals: Signals) -> Tensor:
        if self.ask == "raise":
            raise MemoryError
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (2**36, hard))
        try:
            if self.ask == "numpy":
                return torch.from_numpy(np.ones(2**36))
            return torch.ones(2**36)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@dataclass(frozen=True, kw_only=True)
class Killer:
    """Kills its own process at an image: always, or only while the file `once` does not exist."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    image_id: str = "square/0"
    once: str = ""

    def __call__(self, signals: Signals) -> Tensor:
        if self.image_id in signals.batch.image_ids and not (
            self.once and Path(self.once).exists()
        ):
            if self.once:
                Path(self.once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return signals.batch.image_BCHW.mean(1)


@dataclass(frozen=True, kw_only=True)
class Gated:
    """Writes the number of its process into `file` at an image, and waits while the file exists."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    image_id: str = "square/0"
    file: str = ""

    def __call__(self, signals: Signals) -> Tensor:
        gate = Path(self.file)
        if self.image_id in signals.batch.image_ids and gate.exists():
            gate.write_text(str(os.getpid()))
            while gate.exists():
                time.sleep(0.05)
        return signals.batch.image_BCHW.mean(1)


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Superpixels that are squares, as a third party's segmenter."""

    needs: ClassVar[frozenset[str]] = frozenset()
    side: int = 4

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"side must be at least 1, got {self.side}")

    def __call__(self, signals: Signals) -> Tensor:
        count, _, height, width = signals.batch.image_BCHW.shape
        row_H, column_W = torch.arange(height) // self.side, torch.arange(width) // self.side
        labels_HW = row_H[:, None] * -(-width // self.side) + column_W
        return labels_HW.expand(count, -1, -1).to(signals.batch.device)


@dataclass(frozen=True, kw_only=True)
class NumPasses:
    """Model passes that an explainer declares; judges the explainer itself."""

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False
    images: int = 2

    def measure(self, explainer: Explainer, classifier: Classifier, batch: Batch) -> Score:
        count = float(sum(passes_of(explainer)))
        return Score(value_B=torch.full((len(batch),), count, dtype=torch.float64))


BLABBING = Blabbing()
BLOCKS = Blocks(side=8)
BRIGHTNESS = Brightness()
FAILING = Failing()
GATED = Gated()
HUNGRY = Hungry()
KILLER = Killer()
