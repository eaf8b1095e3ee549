"""Timing tasks in turns, and the photographs that they run on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from skimage import data
from skimage.transform import resize
from torch import Tensor

from swag.denormals import flushed

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


class Passes(NamedTuple):
    """What an image demands."""

    forward: int = 0
    backward: int = 0

    def __str__(self) -> str:
        counts = {"F": self.forward, "B": self.backward}
        return "+".join(f"{count}{kind}" for kind, count in counts.items() if count) or "-"


class Seconds(NamedTuple):
    clock: float
    processor: float


@dataclass(frozen=True)
class Task:
    name: str
    demanded: Passes
    run: Callable[[], object]
    images: int


def if_installed(module: str) -> Any:
    """Return a module of another library; None where that is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError:
        return None


def versions(packages: Sequence[str]) -> dict[str, str | None]:
    """Return the version of each package; None where it is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def measured(task: Task, device: torch.device) -> Seconds:
    synchronise(device)
    clock, processor = time.perf_counter(), time.process_time()
    task.run()
    synchronise(device)
    return Seconds(time.perf_counter() - clock, time.process_time() - processor)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(tasks: Sequence[Task], repeats: int, device: torch.device) -> list[Seconds]:
    """Return each task's median seconds per image, after a round that does not count."""
    with flushed():
        rounds = [[measured(task, device) for task in tasks] for _ in range(repeats + 1)][1:]
    return [
        Seconds(*(median(values) / task.images for values in zip(*turns, strict=True)))
        for task, turns in zip(tasks, zip(*rounds, strict=True), strict=True)
    ]


def require_plausible(forward: float, backward: float) -> None:
    """Refuse a unit that no efficiency can be told in, from seconds a pass.

    Raises:
        SystemExit: a backward pass takes nothing, or ten times a forward pass.
    """
    if not 0 < backward < 10 * forward:
        raise SystemExit(
            f"a forward pass takes {1000 * forward:.2f} ms and a backward pass "
            f"{1000 * backward:.2f} ms, of which no efficiency can be told; a backward pass takes "
            "one to three times a forward pass: let nothing else run, or raise --repeats"
        )


def photographs(count: int, size: tuple[int, int]) -> Tensor:
    """Return photographs that scikit-image brings along, (count, 3, H, W) in [0, 1]."""
    different = [resize(getattr(data, name)(), size) for name in PHOTOGRAPHS[:count]]
    images = [different[index % len(different)] for index in range(count)]
    image_BCHW = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return image_BCHW.float().clamp(0, 1).contiguous()
