"""Shards on Ray: actors that keep their model, a bounded number in flight, bounded retries.

The only module that imports ray.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
import torch
from ray.exceptions import RayActorError, RayTaskError

from workflows.config import Benchmark
from workflows.errors import UserError
from workflows.hardware import WORKER_ENVIRONMENT, tune_allocator
from workflows.plan import Shard
from workflows.worker import ShardReport, ShardWorker

IN_FLIGHT = 2
MAX_TRIES = 3


@dataclass(frozen=True)
class Resources:
    """How a benchmark is run; nothing here changes a result."""

    num_workers: int
    threads: int = 1
    device: str = "cpu"
    address: str | None = None
    """A running cluster; None: Ray is started on this machine and stopped again."""


class _Actor:
    """A worker process: tuned before torch runs, then a `ShardWorker` until the end."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str, threads: int) -> None:
        tune_allocator()
        torch.set_num_threads(threads)
        self._worker = ShardWorker(benchmark, uri, device)

    def run(self, shard: Shard) -> ShardReport:
        return self._worker.run(shard)


@dataclass
class _Slot:
    """An actor and the shards given to it, oldest first."""

    actor: Any
    pending: deque[tuple[Any, Shard]] = field(default_factory=deque)


def run_on_ray(
    benchmark: Benchmark, uri: str, shards: Sequence[Shard], resources: Resources
) -> Iterator[ShardReport]:
    """Yield a report for each shard as it ends, in any order.

    A shard whose worker died goes to a worker of its own, so that it is known which shard kills;
    after `MAX_TRIES` deaths its rows are stored with that error and the others go on.

    Raises:
        UserError: there is no cluster at the address.
    """
    started = not ray.is_initialized()
    if started:
        _connect(resources)
    try:
        yield from _Runner(benchmark, uri, resources).run(shards)
    finally:
        if started:
            ray.shutdown()


def _connect(resources: Resources) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "configure_logging": True}
    if resources.address is None:
        options |= {
            "include_dashboard": False,
            "num_cpus": max(resources.num_workers * resources.threads, 1),
            "object_store_memory": 100 * 2**20,
        }
    else:
        options["address"] = resources.address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError) as error:
        raise UserError(
            f"no Ray cluster answers at {resources.address!r} ({error}); start one with "
            "'ray start --head', or leave --address out to run on this machine"
        ) from error


class _Runner:
    def __init__(self, benchmark: Benchmark, uri: str, resources: Resources) -> None:
        self._benchmark = benchmark
        self._uri = uri
        self._resources = resources
        environment = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": str(resources.threads)}
        on_gpu = resources.device.startswith("cuda")
        self._actor_class = ray.remote(_Actor).options(
            num_cpus=resources.threads,
            num_gpus=1 if on_gpu else 0,
            max_restarts=0,
            runtime_env={"env_vars": environment},
        )
        self._benchmark_ref = ray.put(benchmark)
        self._tries: dict[tuple[str, str, int], int] = {}

    def run(self, shards: Sequence[Shard]) -> Iterator[ShardReport]:
        waiting = deque(shards)
        suspects: deque[Shard] = deque()
        count = max(1, min(self._resources.num_workers, len(shards)))
        slots = [self._start() for _ in range(count)]
        while waiting or suspects or any(slot.pending for slot in slots):
            for slot in slots:
                self._feed(slot, waiting, suspects)
            ready, _ = ray.wait([s.pending[0][0] for s in slots if s.pending], num_returns=1)
            slot = next(s for s in slots if s.pending and s.pending[0][0] == ready[0])
            try:
                yield ray.get(slot.pending[0][0])
                slot.pending.popleft()
            except RayActorError as error:
                yield from self._bury(slot, suspects, str(error))
            except RayTaskError as error:
                _, shard = slot.pending.popleft()
                yield self._give_up(shard, _last_line(error))
        for slot in slots:
            ray.kill(slot.actor)

    def _start(self) -> _Slot:
        resources = self._resources
        return _Slot(
            self._actor_class.remote(
                self._benchmark_ref, self._uri, resources.device, resources.threads
            )
        )

    def _feed(self, slot: _Slot, waiting: deque[Shard], suspects: deque[Shard]) -> None:
        """Give a slot work; a suspect gets it to itself."""
        if slot.pending and self._key(slot.pending[0][1]) in self._tries:
            return
        while len(slot.pending) < IN_FLIGHT and (waiting or suspects):
            if suspects:
                if slot.pending:
                    return
                shard = suspects.popleft()
                slot.pending.append((slot.actor.run.remote(shard), shard))
                return
            shard = waiting.popleft()
            slot.pending.append((slot.actor.run.remote(shard), shard))

    def _bury(self, slot: _Slot, suspects: deque[Shard], reason: str) -> Iterator[ShardReport]:
        """Replace a dead worker and decide what becomes of its shards."""
        lost = [shard for _, shard in slot.pending]
        alone = len(lost) == 1
        for shard in lost:
            key = self._key(shard)
            self._tries[key] = self._tries.get(key, 0) + (1 if alone else 0)
            if self._tries[key] >= MAX_TRIES:
                yield self._give_up(
                    shard, f"its worker died {MAX_TRIES} times: {reason.strip().splitlines()[0]}"
                )
            else:
                suspects.append(shard)
        fresh = self._start()
        slot.actor, slot.pending = fresh.actor, fresh.pending

    def _give_up(self, shard: Shard, error: str) -> ShardReport:
        writer = ShardWorker(self._benchmark, self._uri, "cpu")
        errors = [error] * len(shard.image_ids)
        count = sum(writer.store_failure(shard, task, errors) for task in shard.tasks)
        return ShardReport(shard, 0.0, count)

    @staticmethod
    def _key(shard: Shard) -> tuple[str, str, int]:
        return shard.dataset, shard.model, shard.first


def _last_line(error: RayTaskError) -> str:
    cause = getattr(error, "cause", None)
    return f"{type(cause).__name__}: {cause}" if cause else str(error).strip().splitlines()[-1]
