"""Work on Ray: actors that keep their models, a bounded number in flight, bounded retries."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Generic

import ray
from ray.exceptions import RayError, RayTaskError

from ..engine.address import no_worker
from ..engine.resources import Resources
from ..engine.work import ItemT, Job, ReportT, Worker
from ..errors import StorageError, UserError
from ..logs import current_level
from ..store.tracebacks import Failure
from .actor import Actor, Slot
from .environment import of_worker
from .failures import failure_of_death, failure_of_delay, failure_of_task, last_line, manner_of
from .suspects import MAX_TRIES, Suspects

IN_FLIGHT = 2
CHECK_SECONDS = 5.0
"""How often it is looked whether the cluster has grown, and whether work takes too long."""

log = logging.getLogger(__name__)


class Runner(Generic[ItemT, ReportT]):
    """Actors of one kind and what they are given, on the Ray that is connected.

    Args:
        is_warm: whether every process of a worker has imported `warm`.
    """

    def __init__(
        self,
        worker: type[Worker[ItemT, ReportT]],
        job: Job,
        resources: Resources,
        *,
        is_warm: bool,
    ) -> None:
        self._worker = worker
        self._job = job
        self._resources = resources
        on_gpu = resources.device.startswith("cuda")
        self._actor_class = ray.remote(Actor).options(
            num_cpus=resources.threads,
            num_gpus=resources.gpus_per_worker if on_gpu else 0,
            max_restarts=0,
            # One of its own would leave the processes that are there already unused.
            runtime_env={} if is_warm else {"env_vars": of_worker(resources.threads)},
        )
        self._benchmark_ref = ray.put(job.benchmark)
        self._waiting: deque[ItemT] = deque()
        self._suspects: Suspects[ItemT] = Suspects()
        self._slots: list[Slot[ItemT]] = []
        self._hungry: list[Slot[ItemT]] = []
        """Those that may have room; others are not looked at, so an event costs the same however
        many workers there are."""
        self._awaited: dict[Any, Slot[ItemT]] = {}
        self._looked = -CHECK_SECONDS
        self._failed_starts = 0

    def run(self, items: Sequence[ItemT]) -> Iterator[ReportT]:
        """Yield the reports of pieces of work as they come, and end the workers, at an error too.

        Where Ray stays connected, as in a notebook, they would hold their places in the cluster.
        """
        try:
            yield from self._reports(items)
        finally:
            if ray.is_initialized():  # `ray.kill` would start another Ray
                log.info("%d workers end", len(self._slots))
                for slot in self._slots:
                    ray.kill(slot.actor)

    def _reports(self, items: Sequence[ItemT]) -> Iterator[ReportT]:
        self._waiting.extend(items)
        finished = 0
        while finished < len(items) + self._suspects.num_added:
            self._grow()
            self._feed()
            self._end_overdue()
            for reference in _ended(list(self._awaited)):
                slot = self._awaited.pop(reference)
                self._hungry.append(slot)
                if slot.beginning is not None:
                    self._begin(slot)
                    continue
                for report in self._take(slot):
                    finished += 1
                    yield report
        log.info("all %d pieces of work are done", finished)

    def _grow(self) -> None:
        """Start workers up to what was asked for, or to what the cluster holds by now."""
        now = time.monotonic()
        if now - self._looked < CHECK_SECONDS:
            return
        self._looked = now
        useful = min(self._num_workers(), len(self._waiting) + len(self._suspects.waiting))
        missing = max(1, useful) - len(self._slots)
        if missing > 0:
            log.info("starting %d workers beside %d", missing, len(self._slots))
        for _ in range(missing):
            slot = self._start()
            self._slots.append(slot)
            self._hungry.append(slot)

    def _begin(self, slot: Slot[ItemT]) -> None:
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

    def _take(self, slot: Slot[ItemT]) -> Iterator[ReportT]:
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
            slot.finish()
            yield self._give_up(item, failure_of_task(error))
        except RayError as error:
            yield from self._bury(slot, error)
        else:
            slot.finish()
            yield report

    def _num_workers(self) -> int:
        wanted, room = self._resources.num_workers, ray.cluster_resources()
        if wanted is not None:
            return wanted
        if self._resources.device == "cuda":
            return int(room.get("GPU", 0) / self._resources.gpus_per_worker)
        return int(room.get("CPU", 0) / self._resources.threads)

    def _start(self) -> Slot[ItemT]:
        actor = self._actor_class.remote(
            self._worker,
            self._benchmark_ref,
            self._job.uri,
            self._resources,
            log_level=current_level(),
        )
        return Slot(actor, actor.__ray_ready__.remote())

    def _replace(self, slot: Slot[ItemT]) -> None:
        fresh = self._start()
        slot.actor, slot.beginning = fresh.actor, fresh.beginning
        slot.pending, slot.upcoming, slot.is_overdue = fresh.pending, None, False

    def _feed(self) -> None:
        """Hand out work: one piece to each, then another, so that few pieces spread out."""
        for slot in self._hungry * IN_FLIGHT:
            self._feed_one(slot)
        for slot in self._hungry:
            if slot.awaited is not None:
                self._awaited[slot.awaited] = slot
        self._hungry.clear()

    def _feed_one(self, slot: Slot[ItemT]) -> None:
        """Give a slot a piece of work if it has room; a suspect gets it to itself.

        An actor without a place in the cluster gets none: others would wait for it in vain.
        """
        if slot.beginning is not None:
            return
        is_suspect = bool(slot.pending) and slot.pending[0][1] in self._suspects
        if is_suspect or len(slot.pending) == IN_FLIGHT:
            return
        # The last pieces are handed out one by one, to whoever is free first.
        plenty = len(self._waiting) > len(self._slots)
        if self._suspects.waiting:
            if not slot.pending:
                slot.submit(self._suspects.waiting.popleft(), None)
        elif slot.upcoming or (self._waiting and (plenty or not slot.pending)):
            item = slot.upcoming or self._waiting.popleft()
            slot.upcoming = self._waiting.popleft() if plenty else None
            slot.submit(item, slot.upcoming)

    def _bury(self, slot: Slot[ItemT], reason: RayError) -> Iterator[ReportT]:
        """Replace a dead worker and decide what becomes of its work."""
        lost = [item for _, item in slot.pending]
        names = ", ".join(item.name for item in lost)
        if slot.upcoming is not None:
            self._waiting.appendleft(slot.upcoming)
        if slot.is_overdue:
            failure = failure_of_delay(self._job.time_limit or 0.0)
            log.warning("%s: %s", lost[0].name, failure.line)
            hopeless = self._suspects.add_overdue(lost[0])
            self._waiting.extendleft(reversed(lost[1:]))
        else:
            failure = failure_of_death(reason, MAX_TRIES)
            log.warning("a worker died with %s and is replaced: %s", names, manner_of(reason))
            hopeless = self._suspects.add(lost)
        for item in hopeless:
            yield self._give_up(item, failure)
        ray.kill(slot.actor)  # one whose answer was lost would keep its place in the cluster
        self._replace(slot)
        self._hungry = list(self._slots)  # idle ones may have work again

    def _end_overdue(self) -> None:
        """End the workers whose work takes longer than it may; they are seen to be dead next."""
        if self._job.time_limit is not None:
            for slot in self._slots:
                slot.end_if_later_than(self._job.time_limit)

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
