"""A worker's process on Ray, and what it has been given to do."""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic

import ray
import torch

from ..config.benchmark import Benchmark
from ..engine.resources import Resources
from ..engine.work import ItemT, Worker, run_ahead
from ..hardware import full_precision, tune_allocator
from ..logs import setup_worker
from .session import gpus_of_node


class Actor:
    """A worker process, tuned before torch runs."""

    def __init__(
        self,
        worker: type[Worker[Any, Any]],
        benchmark: Benchmark,
        uri: str,
        resources: Resources,
        *,
        log_level: int = logging.WARNING,
    ) -> None:
        # Ray's handler raises SystemExit in the midst of the work, which would become its result.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        setup_worker(log_level)
        tune_allocator()
        full_precision()
        torch.set_num_threads(resources.threads_with(gpus_of_node()))
        self._worker = worker(benchmark, uri, resources.device)

    def run(self, item: Any, upcoming: Any) -> Any:
        return run_ahead(self._worker, item, upcoming)


@dataclass
class Slot(Generic[ItemT]):
    """An actor, the pieces of work given to it, oldest first, and the one that it gets next."""

    actor: Any
    beginning: Any
    """Ends when the actor is there, which takes a place in the cluster; None afterwards."""
    pending: deque[tuple[Any, ItemT]] = field(default_factory=deque)
    upcoming: ItemT | None = None
    since: float = 0.0
    """When its oldest piece of work began."""
    is_overdue: bool = False
    """It was ended because its oldest piece took too long."""

    @property
    def awaited(self) -> Any:
        """What ends next, None if nothing."""
        if self.beginning is not None:
            return self.beginning
        return self.pending[0][0] if self.pending else None

    def submit(self, item: ItemT, upcoming: ItemT | None) -> None:
        if not self.pending:
            self.since = time.monotonic()
        self.pending.append((self.actor.run.remote(item, upcoming), item))

    def finish(self) -> None:
        """Take the oldest piece off; the next has begun by then."""
        self.pending.popleft()
        self.since = time.monotonic()

    def end_if_later_than(self, limit: float) -> None:
        """End the actor if its oldest piece has taken more seconds than that."""
        if self.pending and not self.is_overdue and time.monotonic() - self.since > limit:
            self.is_overdue = True
            ray.kill(self.actor)
