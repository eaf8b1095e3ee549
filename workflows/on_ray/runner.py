"""Work on Ray: actors that keep their models, a bounded number in flight, bounded retries."""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from ..config.benchmark import Benchmark
from ..engine.address import no_worker
from ..engine.resources import Resources
from ..engine.work import Dispatcher, InProcess, ItemT, Job, ReportT, Worker, run_ahead
from ..errors import StorageError, UserError
from ..hardware import WORKER_ENVIRONMENT, tune_allocator
from ..logs import current_level, setup_worker
from ..store.tracebacks import Failure
from .failures import failure_of_death, failure_of_task, last_line, manner_of
from .session import gpus_of_node, session

IN_FLIGHT = 2
MAX_TRIES = 3
CHECK_SECONDS = 5.0
"""How often it is looked whether the cluster has grown."""

log = logging.getLogger(__name__)


class _Actor:
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
        torch.set_num_threads(resources.threads_with(gpus_of_node()))
        self._worker = worker(benchmark, uri, resources.device)

    def run(self, item: Any, upcoming: Any) -> Any:
        return run_ahead(self._worker, item, upcoming)


@dataclass
class _Slot(Generic[ItemT]):
    """An actor, the pieces of work given to it, oldest first, and the one that it gets next."""

    actor: Any
    beginning: Any
    """Ends when the actor is there, which takes a place in the cluster; None afterwards."""
    pending: deque[tuple[Any, ItemT]] = field(default_factory=deque)
    upcoming: ItemT | None = None

    @property
    def awaited(self) -> Any:
        """What ends next, None if nothing."""
        if self.beginning is not None:
            return self.beginning
        return self.pending[0][0] if self.pending else None

    def submit(self, item: ItemT, upcoming: ItemT | None) -> None:
        self.pending.append((self.actor.run.remote(item, upcoming), item))


@dataclass(frozen=True)
class OnRay:
    """Hands work to Ray's actors."""

    resources: Resources

    def connected(self) -> AbstractContextManager[None]:
        return session(self.resources)

    def reports(
        self, worker: type[Worker[ItemT, ReportT]], job: Job, items: Sequence[ItemT]
    ) -> Iterator[ReportT]:
        """Yield the worker's report of each piece of work as it ends, in any order.

        A piece whose worker died goes to a worker of its own, so that it is known which one kills;
        after `MAX_TRIES` deaths its worker's `give_up` stores that error and the others go on.

        Raises:
            UserError: there is no cluster at the address.
        """
        with session(self.resources):
            yield from _Runner(worker, job, self.resources).run(items)

    def for_timings(self) -> Dispatcher:
        """Return one worker where the device is, which the head of a cluster need not have."""
        if self.resources.address is None:
            return InProcess(replace(self.resources, num_workers=0))
        return OnRay(replace(self.resources, num_workers=1))


class _Runner(Generic[ItemT, ReportT]):
    def __init__(
        self,
        worker: type[Worker[ItemT, ReportT]],
        job: Job,
        resources: Resources,
    ) -> None:
        self._worker = worker
        self._job = job
        self._resources = resources
        environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": str(resources.threads)}
        on_gpu = resources.device.startswith("cuda")
        self._actor_class = ray.remote(_Actor).options(
            num_cpus=resources.threads,
            num_gpus=resources.gpus_per_worker if on_gpu else 0,
            max_restarts=0,
            runtime_env={"env_vars": environment},
        )
        self._benchmark_ref = ray.put(job.benchmark)
        self._tries: dict[str, int] = {}
        self._waiting: deque[ItemT] = deque()
        self._suspects: deque[ItemT] = deque()
        """Their worker died; each gets a worker to itself, before all that waits."""
        self._slots: list[_Slot[ItemT]] = []
        self._hungry: list[_Slot[ItemT]] = []
        """Those that may have room; others are not looked at, so an event costs the same however
        many workers there are."""
        self._awaited: dict[Any, _Slot[ItemT]] = {}
        self._looked = -CHECK_SECONDS
        self._failed_starts = 0

    def run(self, items: Sequence[ItemT]) -> Iterator[ReportT]:
        self._waiting.extend(items)
        unfinished = len(items)
        while unfinished:
            self._grow()
            self._feed()
            for reference in _ended(list(self._awaited)):
                slot = self._awaited.pop(reference)
                self._hungry.append(slot)
                if slot.beginning is not None:
                    self._begin(slot)
                    continue
                for report in self._take(slot):
                    unfinished -= 1
                    yield report
        log.info("all %d pieces of work are done; %d workers end", len(items), len(self._slots))
        for slot in self._slots:
            ray.kill(slot.actor)

    def _grow(self) -> None:
        """Start workers up to what was asked for, or to what the cluster holds by now."""
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        useful = min(self._num_workers(), len(self._waiting) + len(self._suspects))
        missing = max(1, useful) - len(self._slots)
        if missing > 0:
            log.info("starting %d workers beside %d", missing, len(self._slots))
        for _ in range(missing):
            slot = self._start()
            self._slots.append(slot)
            self._hungry.append(slot)

    def _begin(self, slot: _Slot[ItemT]) -> None:
        """Take note that an actor is there; replace one that could not begin.

        Raises:
            UserError: none can.
        """
        try:
            ray.get(slot.beginning)
        except RayError as error:
            self._failed_starts += 1
            alive = any(other.beginning is None for other in self._slots)
            if not alive and self._failed_starts >= MAX_TRIES * len(self._slots):
                raise UserError(no_worker(last_line(error))) from error
            log.warning("a worker could not begin and is replaced: %s", last_line(error))
            self._replace(slot)
        else:
            log.info("a worker is there")
            slot.beginning = None
            self._failed_starts = 0

    def _take(self, slot: _Slot[ItemT]) -> Iterator[ReportT]:
        """Yield what became of a slot's oldest work.

        Raises:
            StorageError: its results cannot be stored.
        """
        reference, item = slot.pending[0]
        try:
            report = ray.get(reference)
        except RayTaskError as error:
            if isinstance(error.cause, StorageError):
                raise error.cause from error
            slot.pending.popleft()
            yield self._give_up(item, failure_of_task(error))
        except RayError as error:
            yield from self._bury(slot, error)
        else:
            slot.pending.popleft()
            yield report

    def _num_workers(self) -> int:
        wanted, room = self._resources.num_workers, ray.cluster_resources()
        if wanted is not None:
            return wanted
        if self._resources.device == "cuda":
            return int(room.get("GPU", 0) / self._resources.gpus_per_worker)
        return int(room.get("CPU", 0) / self._resources.threads)

    def _start(self) -> _Slot[ItemT]:
        actor = self._actor_class.remote(
            self._worker,
            self._benchmark_ref,
            self._job.uri,
            self._resources,
            log_level=current_level(),
        )
        return _Slot(actor, actor.__ray_ready__.remote())

    def _replace(self, slot: _Slot[ItemT]) -> None:
        fresh = self._start()
        slot.actor, slot.beginning = fresh.actor, fresh.beginning
        slot.pending, slot.upcoming = fresh.pending, None

    def _feed(self) -> None:
        """Hand out work: one piece to each, then another, so that few pieces spread out."""
        for slot in self._hungry * IN_FLIGHT:
            self._feed_one(slot)
        for slot in self._hungry:
            if slot.awaited is not None:
                self._awaited[slot.awaited] = slot
        self._hungry.clear()

    def _feed_one(self, slot: _Slot[ItemT]) -> None:
        """Give a slot a piece of work if it has room; a suspect gets it to itself.

        An actor without a place in the cluster gets none: others would wait for it in vain.
        """
        if slot.beginning is not None:
            return
        is_suspect = bool(slot.pending) and slot.pending[0][1].name in self._tries
        if is_suspect or len(slot.pending) == IN_FLIGHT:
            return
        # The last pieces are handed out one by one, to whoever is free first.
        plenty = len(self._waiting) > len(self._slots)
        if self._suspects:
            if not slot.pending:
                slot.submit(self._suspects.popleft(), None)
        elif slot.upcoming or (self._waiting and (plenty or not slot.pending)):
            item = slot.upcoming or self._waiting.popleft()
            slot.upcoming = self._waiting.popleft() if plenty else None
            slot.submit(item, slot.upcoming)

    def _bury(self, slot: _Slot[ItemT], reason: RayError) -> Iterator[ReportT]:
        """Replace a dead worker and decide what becomes of its work."""
        names = ", ".join(item.name for _, item in slot.pending)
        log.warning("a worker died with %s and is replaced: %s", names, manner_of(reason))
        if slot.upcoming is not None:
            self._waiting.appendleft(slot.upcoming)
        lost = [item for _, item in slot.pending]
        alone = len(lost) == 1
        for item in lost:
            self._tries[item.name] = self._tries.get(item.name, 0) + (1 if alone else 0)
            if self._tries[item.name] >= MAX_TRIES:
                yield self._give_up(item, failure_of_death(reason, MAX_TRIES))
            else:
                self._suspects.append(item)
        ray.kill(slot.actor)  # one whose answer was lost would keep its place in the cluster
        self._replace(slot)
        self._hungry = list(self._slots)  # idle ones may have work again

    def _give_up(self, item: ItemT, failure: Failure) -> ReportT:
        log.info("%s is given up", item.name)
        return self._worker(self._job.benchmark, self._job.uri, "cpu").give_up(item, failure)


def _ended(references: list[Any]) -> list[Any]:
    """Return those that have ended, waiting for the first.

    Taking all of them at once keeps the cost of asking, which grows with their number, low.
    """
    ended, _ = ray.wait(references, num_returns=1, timeout=CHECK_SECONDS)
    if ended:
        ended, _ = ray.wait(references, num_returns=len(references), timeout=0)
    return list(ended)
