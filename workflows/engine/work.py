"""Pieces of work and who does them; knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol, Self, TypeVar, runtime_checkable

import torch

from swag.denormals import flushed

from ..config.benchmark import Benchmark
from ..errors import StorageError
from ..hardware import full_precision, tune_allocator
from ..store.tracebacks import Failure
from .resources import Resources


class Item(Protocol):
    """A piece of work whose results its worker stores."""

    @property
    def name(self) -> str:
        """Unlike that of any other piece of the same run."""

    def apart(self) -> Sequence[Self]:
        """Return what of it can be done by itself, where it cannot be done as a whole."""


ItemT = TypeVar("ItemT", bound=Item)
ReportT = TypeVar("ReportT")
ItemT_contra = TypeVar("ItemT_contra", bound=Item, contravariant=True)
ReportT_co = TypeVar("ReportT_co", covariant=True)
T = TypeVar("T")


class Worker(Protocol[ItemT_contra, ReportT_co]):
    """Does pieces of work one after the other and stores what comes of them."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None: ...

    def prefetch(self, item: ItemT_contra) -> None:
        """Begin to load what a piece of work needs, beside the one that is being done."""

    def run(self, item: ItemT_contra) -> ReportT_co:
        """Do a piece of work; tell how it went."""

    def give_up(self, item: ItemT_contra, failure: Failure) -> ReportT_co:
        """Store why a piece of work cannot be done."""


@runtime_checkable
class Telling(Protocol):
    """A worker that tells of rows before all of a piece of work is done."""

    tell: Callable[[int, str], None] | None


def run_ahead(
    worker: Worker[ItemT_contra, ReportT_co], item: ItemT_contra, upcoming: ItemT_contra | None
) -> ReportT_co:
    """Do a piece of work while what the upcoming one needs is being loaded.

    What fails beyond its parts, such as loading its model, makes rows of all of it. Denormal
    numbers count as zero in it.
    """
    for piece in (item, upcoming):
        if piece is not None:
            worker.prefetch(piece)
    with flushed():
        report = attempt(lambda: worker.run(item))
    return worker.give_up(item, report) if isinstance(report, Failure) else report


def attempt(compute: Callable[[], T]) -> T | Failure:
    """Return the result, or why there is none: here a shard's failure becomes rows."""
    try:
        return compute()
    except StorageError:
        raise  # the error could not be stored either
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the shard's edge
        return Failure.of(error)


@dataclass(frozen=True)
class Job:
    """What every worker of a run is told."""

    benchmark: Benchmark
    uri: str
    """The run folder."""
    time_limit: float | None = None
    """Seconds that a piece of work may take, where the worker is a process that can be ended."""
    tell: Callable[[int, str], None] | None = None
    """Is told of rows as soon as they are stored, and of what, by a worker of this process."""


class Dispatcher(Protocol):
    """Hands pieces of work to workers, wherever those are."""

    @property
    def resources(self) -> Resources:
        """With what it works."""

    def connected(self) -> AbstractContextManager[None]:
        """Keep the workers' machines reachable inside the block."""

    def reports(
        self, worker: type[Worker[ItemT, ReportT]], job: Job, items: Sequence[ItemT]
    ) -> Iterator[ReportT]:
        """Yield the worker's report of each piece of work as it ends, in any order."""

    def for_timings(self) -> Dispatcher:
        """Return one whose single worker has a machine to itself."""


@dataclass(frozen=True)
class InProcess:
    """One worker, in the process that asks."""

    resources: Resources

    def connected(self) -> AbstractContextManager[None]:
        return nullcontext()

    def reports(
        self, worker: type[Worker[ItemT, ReportT]], job: Job, items: Sequence[ItemT]
    ) -> Iterator[ReportT]:
        tune_allocator()
        full_precision()
        torch.set_num_threads(self.resources.threads_with(torch.cuda.device_count()))
        single = worker(job.benchmark, job.uri, self.resources.device)
        if job.tell and isinstance(single, Telling):
            single.tell = job.tell
        for item, upcoming in zip_longest(items, items[1:]):
            yield run_ahead(single, item, upcoming)

    def for_timings(self) -> InProcess:
        return self
