"""Pieces of work, who does them and with what; knows nothing of Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from workflows.benchmark import Benchmark
from workflows.hardware import num_cores


class Item(Protocol):
    """A piece of work whose results its worker stores."""

    @property
    def name(self) -> str:
        """Unlike that of any other piece of the same run."""


Work = TypeVar("Work", bound=Item)
Report = TypeVar("Report")
Work_contra = TypeVar("Work_contra", bound=Item, contravariant=True)
Report_co = TypeVar("Report_co", covariant=True)


class Worker(Protocol[Work_contra, Report_co]):
    """Does pieces of work one after the other and stores what comes of them."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None: ...

    def prefetch(self, item: Work_contra) -> None:
        """Begin to load what a piece of work needs, beside the one that is being done."""

    def run(self, item: Work_contra) -> Report_co:
        """Do a piece of work; tell how it went."""

    def give_up(self, item: Work_contra, error: str) -> Report_co:
        """Store why a piece of work cannot be done."""


@dataclass(frozen=True)
class Resources:
    """How a benchmark is run; nothing here changes a result."""

    num_workers: int | None
    """None: as many as the cluster has room for."""
    threads: int = 1
    device: str = "cpu"
    address: str | None = None
    """A running cluster; None: Ray is started on this machine and stopped again."""
    gpus_per_worker: float = 1.0
    """On a GPU."""

    def threads_with(self, gpus_of_machine: float) -> int:
        """Return the threads of a worker; one with a GPU has its share of this machine's cores.

        They are for what it does image by image, and change no result.
        """
        if not self.device.startswith("cuda"):
            return self.threads
        gpus = max(gpus_of_machine, self.gpus_per_worker)
        return max(self.threads, int(num_cores() * self.gpus_per_worker / gpus))

    def __str__(self) -> str:
        if self.num_workers == 0:
            return f"in this process on {self.device}"
        count = (
            "all workers that fit" if self.num_workers is None else f"{self.num_workers} workers"
        )
        return f"{count} on {self.device}"


def run_ahead(
    worker: Worker[Work_contra, Report_co], item: Work_contra, upcoming: Work_contra | None
) -> Report_co:
    """Do a piece of work while what the upcoming one needs is being loaded."""
    for piece in (item, upcoming):
        if piece is not None:
            worker.prefetch(piece)
    return worker.run(item)
