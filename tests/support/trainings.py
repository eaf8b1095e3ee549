"""Data sets and models small enough to be trained in a test, by one process or several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from swag.models import ModelSpec
from swagflow.data import Sample
from swagflow.errors import ImageError
from swagflow.train.images import Images
from swagflow.train.process_group import ProcessGroup
from swagflow.train.recipe import Fit
from swagflow.train.train_config import Augmentation, TrainConfig
from swagflow.train.training import TrainResult, prepare

CPU = torch.device("cpu")
NAMES = ("red", "green", "blue")


@dataclass(frozen=True, kw_only=True)
class Colours:
    """32x32 noise, stronger in the channel that is the class; image 5 may be unreadable."""

    images: int = 12
    seed: int = 0
    class_names: tuple[str, ...] = NAMES
    labelled: bool = True
    broken: int = 0

    @property
    def image_ids(self) -> tuple[str, ...]:
        return tuple(str(index) for index in range(self.images))

    @property
    def fingerprint(self) -> str:
        return repr(self)

    @property
    def input_size(self) -> tuple[int, int]:
        return (32, 32)

    def open(self) -> Colours:
        return self

    def load(self, image_id: str) -> Sample:
        index = int(image_id)
        if index < self.broken:
            raise ImageError("broken")
        rng = np.random.default_rng([self.seed, index])
        levels = rng.integers(0, 100, (3, 32, 32))
        levels[index % 3] += 100
        image_CHW = torch.from_numpy(levels).float() / 255
        return Sample(image_id, image_CHW, index % 3 if self.labelled else None)


def config(**fields: Any) -> TrainConfig:
    recipe = Fit(epochs=3, learning_rate=0.01, batch_size=4, schedule="cosine")
    defaults: dict[str, Any] = {
        "model": ModelSpec(architecture="tiny_resnet", weights="random:0"),
        "train": Colours(),
        "validation": Colours(images=9, seed=1),
        "recipe": recipe,
    }
    return TrainConfig(**{**defaults, **fields})


def uneven(architecture: str, **fields: Any) -> TrainConfig:
    """Batches of 5 images and 9 images that validate, for any number of workers to share."""
    return config(
        model=ModelSpec(architecture=architecture, weights="random:1"),
        recipe=replace(config().recipe, batch_size=5, **fields),
        augmentation=Augmentation(flip=True, colours=True),
    )


def train_together(
    run: TrainConfig, run_dir: Path, size: int, stop: int | None = None
) -> TrainResult | None:
    """Train in processes without Ray; where `stop` is given, all of them end in that epoch."""
    training = prepare(run, str(run_dir), size)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.support.trainings", "torchvision"]
    )  # imported once for all
    meeting = run_dir.with_suffix(f".{stop}")
    processes = [
        context.Process(target=_take_part, args=(run, str(run_dir), (rank, size), meeting, stop))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0 if stop is None else 1] * size
    return training.result() if stop is None else None


def _take_part(
    run: TrainConfig, run_dir: str, place: tuple[int, int], meeting: Path, stop: int | None
) -> None:
    rank, size = place
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=size)
    whole = Images.batches

    def stopping(images: Images, recipe: Fit, epoch: int, *rest: Any) -> Iterator[Any]:
        for number, batch in enumerate(whole(images, recipe, epoch, *rest)):
            if (epoch, number) == (stop, 1):
                os._exit(1)
            yield batch

    Images.batches = stopping  # type: ignore[method-assign, assignment]
    prepare(run, run_dir, size).run(CPU, ProcessGroup.joined())
    dist.destroy_process_group()


class Stopped(BaseException):
    """Stands for a kill: nothing in the program catches it."""


class Plain(nn.Module):
    """No dropout and no batch norm; while it is trained it has a side output, as Inception has."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2))
        self.side = nn.Linear(8, num_classes)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        feature_BC = self.features(x_BCHW).relu().mean((2, 3))
        logits_BK: Tensor = self.head(feature_BC)
        return (logits_BK, self.side(feature_BC)) if self.training else logits_BK
