"""What one driver costs at the size of a big cluster: plan, listing, dispatch, memory.

    python -m benchmarks.scale --images 1000000 --workers 1000

Nothing is explained here. The data set, the store's names and, for the dispatch loop, Ray itself
are stand-ins, so that what is left is the driver's own work. The last line of the table is of real
Ray with workers that do nothing, which adds what Ray costs a driver.
"""

from __future__ import annotations

import argparse
import heapq
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from torch import Tensor

from tests import s3_server
from workflows import ray_runner
from workflows.benchmark import Benchmark
from workflows.config import load_benchmark
from workflows.hardware import description
from workflows.plan import Plan, Shard, make_plan
from workflows.ray_runner import run_on_ray
from workflows.store import KEY_DIGITS, Part, Store
from workflows.work import Resources
from workflows.worker import ShardReport

SECONDS_PER_SHARD = 60.0
"""Of simulated work; it decides nothing but the order of events."""


class Counted:
    """As many image ids as asked for."""

    class_names: Sequence[str] = ()
    fingerprint = "0" * 64
    input_size = (224, 224)

    def __init__(self, images: int) -> None:
        self.image_ids: Sequence[str] = [f"n{n % 1000:08d}/{n:08d}.JPEG" for n in range(images)]

    def load(self, image_id: str) -> Tensor:
        raise NotImplementedError(image_id)


class Idle:
    """A worker that has done a piece of work as soon as it gets it."""

    def __init__(self, benchmark: Benchmark, uri: str, device: str) -> None:
        pass

    def prefetch(self, item: Shard) -> None:
        pass

    def run(self, item: Shard) -> ShardReport:
        return ShardReport(item, 0.0, 0)

    def give_up(self, item: Shard, error: str) -> ShardReport:
        raise AssertionError(f"{item.name}: {error}")


@dataclass(frozen=True, order=True)
class Promise:
    """A result that is there at a simulated time."""

    when: float
    number: int
    result: Any = None

    def __hash__(self) -> int:
        return self.number


class Simulation:
    """What `workflows.ray_runner` uses of Ray, with a clock of its own and no processes."""

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

    def remote(self, *_: Any) -> Actor:
        return Actor(self.simulation)


class Actor:
    """Works on one shard after the other."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.free = 0.0
        self.run = self
        self.__ray_ready__ = Ready(simulation)

    def remote(self, item: Shard, *_: Any) -> Promise:
        jitter = 1 + (hash(item.first) % 997) / 997
        self.free = max(self.free, self.simulation.now) + SECONDS_PER_SHARD * jitter
        return self.simulation.promise(self.free, ShardReport(item, 0.0, 0))


@dataclass(frozen=True)
class Ready:
    simulation: Simulation

    def remote(self) -> Promise:
        return self.simulation.promise(0.0)


def parts_of(plan: Plan) -> Iterator[tuple[str, Part]]:
    """Yield the parts that carrying out a plan stores."""
    for shard in plan.shards:
        for task in shard.tasks:
            for cell in (task.explanation, *(cell for _, cell in task.metrics)):
                names = (cell.dataset, cell.model, cell.explainer, cell.metric)
                path = cell.part(*shard.span)
                yield path, Part(path, names, cell.key[:KEY_DIGITS], *shard.span)


def row(what: str, count: int, unit: str, act: Callable[[], Any]) -> Any:
    """Time something, print its line of the table and return its result."""
    start = time.perf_counter()
    result = act()
    line(what, count, unit, time.perf_counter() - start)
    return result


def line(what: str, count: int, unit: str, seconds: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = seconds / max(count, 1) * 1e6
    print(f"| {what} | {count} {unit} | {seconds:.2f} | {each:.1f} | {peak:.2f} |", flush=True)


def list_files(paths: Sequence[str], num: int) -> None:
    """Make empty files of those names and list them as a run does."""
    with tempfile.TemporaryDirectory() as folder:
        made: set[Path] = set()
        for path in paths[:num]:
            file = Path(folder) / path
            if file.parent not in made:
                file.parent.mkdir(parents=True)
                made.add(file.parent)
            file.touch()
        count = min(num, len(paths))
        store = Store(folder)
        found = row("list a local run folder", count, "parts", store.parts)
        assert len(found) == count


def list_objects(paths: Sequence[str], num: int) -> None:
    """The same in an object store on this machine, whose own work is in the time."""
    with s3_server.serving():
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for path in paths[:num]:
            backend.put_object(s3_server.BUCKET, f"run/{path}", b"")
        store = Store(f"s3://{s3_server.BUCKET}/run")
        count = min(num, len(paths))
        found = row("list a run folder on S3 (moto)", count, "parts", store.parts)
        assert len(found) == count


def dispatch(
    what: str, benchmark: Benchmark, shards: Sequence[Shard], resources: Resources
) -> None:
    """Hand out shards; the time begins when the first is done, so that no worker's start counts."""
    times = [time.perf_counter() for _ in run_on_ray(Idle, (benchmark, ""), shards, resources)]
    assert len(times) == len(shards)
    line(what, len(shards) - 1, "shards", times[-1] - times[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--explainers", type=int, default=4)
    parser.add_argument("--listed", type=int, default=100_000)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--dispatched", type=int, default=5000)
    parser.add_argument("--real-workers", type=int, default=2)
    parser.add_argument("--real-shards", type=int, default=2000)
    chosen = parser.parse_args()

    about = description()
    print(f"{about['processor']}, {about['cores']} cores, Python {platform.python_version()}\n")
    print("| what | size | seconds | µs each | peak memory, GiB |\n| --- | --- | --- | --- | --- |")
    wanted = load_benchmark("full-benchmark")
    dataset, model = next(iter(wanted.datasets)), next(iter(wanted.models))
    wanted = small(wanted, dataset, model, chosen.explainers)
    opened: Mapping[str, Any] = {dataset: Counted(chosen.images)}
    subjects: dict[tuple[str, str], dict[str, object]] = {(dataset, model): {"of": "nothing"}}

    def plan(parts: Sequence[Part]) -> Plan:
        return make_plan(wanted, opened, subjects, parts)

    whole = row("plan, nothing stored", chosen.images, "images", lambda: plan([]))
    paths, parts = zip(*parts_of(whole), strict=True)
    half = parts[::2]
    row("plan, every other part stored", len(half), "parts", lambda: plan(half))
    row("plan, everything stored", len(parts), "parts", lambda: plan(parts))
    list_files(paths, chosen.listed)
    list_files(paths, len(paths))
    list_objects(paths, chosen.objects)
    resources = Resources(num_workers=chosen.workers)
    with patch.object(ray_runner, "ray", Simulation(chosen.workers)):
        what = f"dispatch to {chosen.workers} simulated workers"
        dispatch(what, wanted, whole.shards[: chosen.dispatched], resources)
    some = whole.shards[: chosen.real_shards]
    real = replace(resources, num_workers=chosen.real_workers)
    dispatch(f"dispatch to {chosen.real_workers} idle workers on Ray", wanted, some, real)


def small(wanted: Benchmark, dataset: str, model: str, explainers: int) -> Benchmark:
    """Return a benchmark of one data set and model and some methods."""
    names = list(wanted.explainers)[:explainers]
    metric = next(iter(wanted.metrics))
    experiment = replace(
        next(iter(wanted.experiments.values())),
        metric=metric,
        explainers=tuple(names),
        datasets=(dataset,),
        models=(model,),
    )
    return replace(
        wanted,
        datasets={dataset: wanted.datasets[dataset]},
        models={model: wanted.models[model]},
        explainers={name: wanted.explainers[name] for name in names},
        experiments={"scale": experiment},
        metrics={metric: wanted.metrics[metric]},
        timings={},
        roar={},
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
