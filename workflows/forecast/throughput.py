"""How fast a machine is: seconds of each thing that a run does, measured one by one or from a file.

Model passes are timed with the models themselves. What is beside them (superpixels, regions, fits,
ranks, copies, Parquet) is timed on a few pictures with a model that costs next to nothing, so that
a method of 8,000 passes is timed in a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from swag.denormals import flushed
from swag.protocols import passes_of, passes_once, summed

from ..data import Dataset
from ..errors import UserError
from ..hardware import device_name, tune_allocator
from . import rehearsal
from .lines import PASSES, Unit
from .model_speed import Models, backward_seconds, forward_seconds, full_pass
from .rehearsal import photographs

TIMED_OF_A_GRID = 4
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class Throughput:
    """Seconds of units by their keys."""

    machine: str
    seconds: Mapping[str, float]

    def save(self, path: Path) -> None:
        content = {"machine": self.machine, "seconds": dict(sorted(self.seconds.items()))}
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Throughput:
        """Raise UserError where the file is missing or no such measurement."""
        try:
            content = json.loads(path.read_text())
            seconds = {str(key): float(value) for key, value in content["seconds"].items()}
            return cls(str(content["machine"]), seconds)
        except OSError as error:
            raise UserError(f"--throughput {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"--throughput {path} was not written by 'swagflow plan --save-throughput'"
            ) from error

    def at_rates(self, rates: Mapping[str, float], units: Iterable[Unit]) -> Throughput:
        """Return it as on other hardware, of which the models' forward passes are known.

        A model's backward passes and training steps become faster or slower as its forward passes
        do, of which the largest images count; the rest stays as it was measured.

        Args:
            rates: images a second in forward passes, by architecture.

        Raises:
            UserError: no such model is in the plan.
        """
        seconds = dict(self.seconds)
        passes = [(_architecture(unit), unit) for unit in units if unit.what in PASSES]
        for name, rate in rates.items():
            own = [unit for architecture, unit in passes if architecture == name]
            if not own:
                known = ", ".join(sorted({architecture for architecture, _ in passes}))
                raise UserError(f"--images-per-second {name}: the plan has only {known}")
            largest = max((u for u in own if u.what == "forward"), key=lambda unit: unit.size)
            factor = 1 / (rate * self.of(largest))
            seconds |= {unit.key: factor * self.of(unit) for unit in own}
        given = ", ".join(f"{name} {rate:g}" for name, rate in rates.items())
        return Throughput(f"{self.machine}; given, in images a second: {given}", seconds)

    def of(self, unit: Unit) -> float:
        """Return a unit's seconds. Raises UserError where it was not measured."""
        if unit.key not in self.seconds:
            raise UserError(
                f"the throughput file has no {unit.key!r}; make it with the same configuration by "
                "'swagflow plan ... --save-throughput FILE'"
            )
        return self.seconds[unit.key]


Pictures = Mapping[tuple[int, int], Tensor]
"""A few images_BCHW in [0, 1] by height and width."""


def _pictures(datasets: Iterable[Dataset]) -> Pictures:
    """Return the first images of each size."""
    found: dict[tuple[int, int], Tensor] = {}
    for dataset in datasets:
        size = dataset.input_size
        images = None if size in found else rehearsal.first_pictures(dataset)
        if images is not None:
            found[size] = images
    return found


def _architecture(unit: Unit) -> str:
    """Return whose passes a unit of `PASSES` is."""
    spec = unit.subject[0] if unit.what == "training" else unit.subject
    return str(spec.architecture)


def measure(
    units: Iterable[Unit], device: str, threads: int, datasets: Iterable[Dataset] = ()
) -> Throughput:
    """Time each unit on this machine, with as many threads as a worker has.

    Of units whose names differ in numbers only, as those of a grid do, a few are timed for all.

    Args:
        datasets: methods are timed on their first images, because how long superpixels and regions
            take depends on the picture; on photographs where there are none of a size.
    """
    tune_allocator()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    where = torch.device(device)
    models = Models(where)
    pictures = _pictures(datasets)
    timed: dict[Unit, float] = {}
    seconds: dict[str, float] = {}
    try:
        with flushed():
            for unit, example in _examples(units).items():
                if example not in timed:
                    timed[example] = _seconds(example, models, where, pictures)
                seconds[unit.key] = timed[example]
        return Throughput(device_name(where), seconds)
    finally:
        torch.set_num_threads(before)


def _examples(units: Iterable[Unit]) -> dict[Unit, Unit]:
    """Return the unit that is timed for each, those of one model in a row as it is made once."""
    families: dict[object, list[Unit]] = {}
    for unit in sorted(set(units), key=lambda unit: (unit.name, unit.key)):
        is_grid = unit.what in {"method", "rest", "superpixels"}
        alike = _NUMBER.sub("#", unit.name) if is_grid else unit.name
        families.setdefault((unit.what, unit.size, unit.batch, alike), []).append(unit)
    result: dict[Unit, Unit] = {}
    for family in families.values():
        step = -(-len(family) // TIMED_OF_A_GRID)
        result |= {unit: family[index - index % step] for index, unit in enumerate(family)}
    return result


def _seconds(unit: Unit, models: Models, device: torch.device, pictures: Pictures) -> float:
    if unit.what in {*PASSES, "copy"}:
        return models.seconds(unit)
    image_BCHW = pictures[unit.size] if unit.size in pictures else photographs(2, unit.size)
    kinds: dict[str, Callable[[], float]] = {
        "method": lambda: _method(unit, image_BCHW, device),
        "rest": lambda: _method(unit, image_BCHW, device),
        "superpixels": lambda: rehearsal.superpixels(unit.subject, image_BCHW, device),
        "loading": lambda: rehearsal.loading(unit.subject),
        "masks": lambda: rehearsal.masks(unit.subject, unit.size, unit.batch),
        "scores": lambda: rehearsal.scores(unit.batch),
        "ranks": lambda: rehearsal.ranks(unit.size),
    }
    return kinds[unit.what]()


def _method(unit: Unit, image_BCHW: Tensor, device: torch.device) -> float:
    """Return what an explainer or metric takes for an image beside passes and superpixels.

    A "rest" is what it takes where other methods have run the passes that it shares with them.
    """
    is_rest = unit.what == "rest"
    whole = rehearsal.method(unit.subject, image_BCHW, unit.batch, device, is_rest=is_rest)
    own = passes_of(unit.subject)
    spared = summed(passes_once(unit.subject).values() if is_rest else ())
    forwards, backwards = own.forwards - spared.forwards, own.backwards - spared.backwards
    if not (forwards or backwards):
        return whole
    forward, backward = _probe_seconds(unit.size, unit.batch, device)
    return max(whole - forwards * forward - backwards * backward, 0.0)


@cache
def _probe_seconds(
    size: tuple[int, int], batch_size: int, device: torch.device
) -> tuple[float, float]:
    """Return an image's share of a forward and of a backward pass of the probe."""
    classifier = rehearsal.probe(device, batch_size)
    image_BCHW = full_pass(classifier, size)
    return forward_seconds(classifier, image_BCHW), backward_seconds(classifier, image_BCHW)
