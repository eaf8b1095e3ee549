"""Pieces of work and who does them; knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import zip_longest
from typing import Protocol, TypeVar

import torch

from ..config.benchmark import Benchmark
from ..errors import StorageError
from ..hardware import tune_allocator
from .resources import Resources


class Item(Protocol):
    """A piece of work whose results its worker stores."""

    @property
    def name(self) -> str:
        """Unlike that of any other piece of the same run."""


Work = TypeVar("Work", bound=Item)
Report = TypeVar("Report")
Work_contra = TypeVar("Work_contra", bound=Item, contravariant=True)
Report_co = TypeVar("Report_co", covariant=True)
T = TypeVar("T")


class Worker(Protocol[Work_contra, Report_co]):
    """Does pieces of work one after the other and stores what comes of them."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None: ...

    def prefetch(self, item: Work_contra) -> None:
        """Begin to load what a piece of work needs, beside the one that is being done."""

    def run(self, item: Work_contra) -> Report_co:
        """Do a piece of work; tell how it went."""

    def give_up(self, item: Work_contra, error: str) -> Report_co:
        """Store why a piece of work cannot be done."""


def run_ahead(
    worker: Worker[Work_contra, Report_co], item: Work_contra, upcoming: Work_contra | None
) -> Report_co:
    """Do a piece of work while what the upcoming one needs is being loaded."""
    for piece in (item, upcoming):
        if piece is not None:
            worker.prefetch(piece)
    return worker.run(item)


def attempt(compute: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return the result, or why there is none: here a shard's failure becomes rows."""
    try:
        return compute(), None
    except StorageError:
        raise  # the error could not be stored either
    except Exception as error:  # noqa: BLE001 - the shard's edge
        return None, f"{type(error).__name__}: {error}"


class Dispatcher(Protocol):
    """Hands pieces of work to workers, wherever those are."""

    def connected(self, resources: Resources) -> AbstractContextManager[None]:
        """Keep the workers' machines reachable inside the block."""

    def reports(
        self,
        worker: type[Worker[Work, Report]],
        about: tuple[Benchmark, str],
        items: Sequence[Work],
        resources: Resources,
    ) -> Iterator[Report]:
        """Yield the worker's report of each piece of work as it ends, in any order.

        Args:
            about: the benchmark and the URI of the run folder, for the workers.
        """


class InProcess:
    """One worker, in the process that asks."""

    def connected(self, _resources: Resources) -> AbstractContextManager[None]:
        return nullcontext()

    def reports(
        self,
        worker: type[Worker[Work, Report]],
        about: tuple[Benchmark, str],
        items: Sequence[Work],
        resources: Resources,
    ) -> Iterator[Report]:
        tune_allocator()
        torch.set_num_threads(resources.threads_with(torch.cuda.device_count()))
        single = worker(*about, resources.device)
        for item, upcoming in zip_longest(items, items[1:]):
            yield run_ahead(single, item, upcoming)


IN_PROCESS = InProcess()
