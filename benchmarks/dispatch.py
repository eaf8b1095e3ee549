"""What handing out shards costs a driver, up to a thousand workers; `benchmarks.scale` prints it.

Nothing is explained: workers sleep, or have done a shard as soon as they get it.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from unittest.mock import patch

import ray

from swagflow.config.benchmark import Benchmark
from swagflow.engine.plan import Shard
from swagflow.engine.resources import Resources
from swagflow.engine.work import Job
from swagflow.engine.workshop import ShardReport
from swagflow.on_ray import runner, session
from swagflow.on_ray.actor import Actor, Slot
from swagflow.on_ray.dispatcher import OnRay
from swagflow.store.tracebacks import Failure

SIMULATED_SECONDS = 60.0
"""Of a shard in the simulation; it decides nothing but the order of events."""
PROCESSES = 4
"""Share a crowd of workers on Ray among them."""


class Sleeper:
    """A worker that sleeps over each piece of work, as long as the run folder's name says."""

    def __init__(self, _benchmark: Benchmark, uri: str, _device: str) -> None:
        self.seconds = float(uri)

    def prefetch(self, item: Shard) -> None:
        pass

    def run(self, item: Shard) -> ShardReport:
        time.sleep(self.seconds)
        return ShardReport(item, self.seconds, 0)

    def give_up(self, item: Shard, failure: Failure) -> ShardReport:
        raise AssertionError(f"{item.name}: {failure.line}")


@dataclass(frozen=True)
class Dispatched:
    """What handing out shards took, from the first one's end to the last one's."""

    shards: int
    seconds: float
    processor_seconds: float
    """Of the driver, all its threads."""


def dispatch(
    benchmark: Benchmark, shards: Sequence[Shard], resources: Resources, seconds: float = 0.0
) -> Dispatched:
    """Hand out shards, each of so many seconds, as a run does; no worker's start counts."""
    ends, own = [], []
    for _ in OnRay(resources).reports(Sleeper, Job(benchmark, str(seconds)), shards):
        ends.append(time.perf_counter())
        own.append(time.process_time())
    assert len(ends) == len(shards)
    return Dispatched(len(shards) - 1, ends[-1] - ends[0], own[-1] - own[0])


def simulated(benchmark: Benchmark, shards: Sequence[Shard], workers: int) -> Dispatched:
    """Hand out shards without Ray: what is left is this project's own part."""
    with simulation(Simulation(workers)):
        return dispatch(benchmark, shards, Resources(num_workers=workers))


@contextmanager
def simulation(of: Simulation) -> Iterator[None]:
    """Let runs use a simulation in the place of Ray."""
    with (
        patch.object(runner, "ray", of),
        patch.object(session, "session", lambda *_, **__: nullcontext()),
    ):
        yield


def crowd(
    benchmark: Benchmark, shards: Sequence[Shard], workers: int, seconds: float
) -> Dispatched:
    """Hand out shards on Ray to as many workers as asked for, which are threads of few processes.

    The driver has as many workers and tasks in flight as on a cluster.
    """
    resources = Resources(num_workers=workers)
    ray.init(address="local", include_dashboard=False, num_cpus=PROCESSES, logging_level="error")
    try:
        make = ray.remote(Actor).options(num_cpus=1, max_concurrency=-(-workers // PROCESSES))
        actors = [
            make.remote(Sleeper, benchmark, str(seconds), resources) for _ in range(PROCESSES)
        ]
        places = cycle(actors)

        def start(_: Any) -> Any:
            actor = next(places)
            return Slot(actor, actor.__ray_ready__.remote())

        with patch.object(runner.Runner, "_start", start):
            return dispatch(benchmark, shards, resources, seconds)
    finally:
        ray.shutdown()


@dataclass(frozen=True, order=True)
class Promise:
    """A result that is there at a simulated time."""

    when: float
    number: int
    result: Any = None

    def __hash__(self) -> int:
        return self.number


class Simulation:
    """What `swagflow.on_ray.runner` uses of Ray, with a clock of its own and no processes."""

    def __init__(self, workers: int) -> None:
        self.now = 0.0
        self.count = 0
        self.workers = workers
        self.queue: list[Promise] = []

    def promise(self, when: float, result: Any = None) -> Promise:
        self.count += 1
        made = Promise(when, self.count, result)
        heapq.heappush(self.queue, made)
        return made

    def is_initialized(self) -> bool:
        return True

    def put(self, value: Any) -> Any:
        return value

    def get(self, promise: Promise) -> Any:
        return promise.result

    def kill(self, actor: Any) -> None:
        pass

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.workers)}

    def remote(self, _: type) -> Simulation:
        return self

    def options(self, **_: Any) -> Any:
        return Factory(self)

    def wait(
        self, _: Sequence[Promise], *, num_returns: int, timeout: float
    ) -> tuple[list[Promise], list[Promise]]:
        """Return what has ended; without a look at each promise, as that would be Ray's work."""
        if num_returns == 1 and timeout:
            self.now = max(self.now, self.queue[0].when)
            return [self.queue[0]], []
        ended = []
        while self.queue and self.queue[0].when <= self.now:
            ended.append(heapq.heappop(self.queue))
        return ended, []


@dataclass(frozen=True)
class Factory:
    simulation: Simulation

    def remote(self, *_: Any, **__: Any) -> SimulatedActor:
        return SimulatedActor(self.simulation)


class SimulatedActor:
    """Works on one shard after the other."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.free = 0.0
        self.run = self
        self.__ray_ready__ = Ready(simulation)

    def remote(self, item: Shard, *_: Any) -> Promise:
        jitter = 1 + (hash(item.first) % 997) / 997
        self.free = max(self.free, self.simulation.now) + SIMULATED_SECONDS * jitter
        return self.simulation.promise(self.free, ShardReport(item, 0.0, 0))


@dataclass(frozen=True)
class Ready:
    simulation: Simulation

    def remote(self) -> Promise:
        return self.simulation.promise(0.0)
