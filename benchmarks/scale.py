"""What one driver costs at the size of a big cluster: plan, listing, dispatch, memory.

    python -m benchmarks.scale --images 1000000 --workers 1000

Nothing is explained here. Files are empty and workers sleep, so that what is left is the driver's
own work and Ray's.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.dispatch import Dispatched, crowd, simulated
from benchmarks.listing import listing_server, local_folder
from swagflow.config.benchmark import Benchmark
from swagflow.config.description import describe_benchmark
from swagflow.config.load import load_benchmark
from swagflow.engine.plan import Plan, Shard, make_plan
from swagflow.hardware import description
from swagflow.store.parts import KEY_DIGITS, Part, Subject
from swagflow.store.run_folder import Store


class Counted:
    """As many image ids as asked for."""

    class_names: Sequence[str] = ()
    fingerprint = "0" * 64
    input_size = (224, 224)

    def __init__(self, images: int) -> None:
        self.image_ids: Sequence[str] = [f"n{n % 1000:08d}/{n:08d}.JPEG" for n in range(images)]

    def load(self, image_id: str) -> Tensor:
        raise NotImplementedError(image_id)


def parts_of(plan: Plan) -> Iterator[tuple[str, Part]]:
    """Yield the parts that carrying out a plan stores."""
    for shard in plan.shards:
        for task in shard.tasks:
            for cell in (task.explanation, *(cell for _, cell in task.metrics)):
                path = cell.part(*shard.span)
                yield path, Part(path, cell.name, cell.key[:KEY_DIGITS], *shard.span)


def row(what: str, count: int, unit: str, act: Callable[[], Any]) -> Any:
    """Time something, print its line of the table and return its result."""
    start = time.perf_counter()
    result = act()
    seconds = time.perf_counter() - start
    each = seconds / max(count, 1) * 1e6
    print(f"| {what} | {count} {unit} | {seconds:.2f} | {each:.1f} | {peak():.2f} |", flush=True)
    return result


def peak() -> float:
    """Return this process's largest memory so far in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def list_all(what: str, paths: Sequence[str], uri: str) -> None:
    """List a run folder as a run does."""
    store = Store(uri)
    found = row(what, len(paths), "parts", store.parts)
    assert len(found) == len(paths)


def hand_out(benchmark: Benchmark, shards: Sequence[Shard], workers: int, wall: float) -> None:
    """Print what handing out shards takes, without Ray and to a crowd of workers on it.

    Args:
        wall: about so many seconds each line takes, but for the last, which has all shards.
    """
    heads = ("workers", "shards", "seconds of each", "wanted a second", "ended a second")
    print(f"\n| {' | '.join(heads)} | driver's processor, ms a shard | peak memory, GiB |")
    print("| --- " * 7 + "|")
    told(f"{workers}, simulated", None, simulated(benchmark, shards, workers))
    for seconds in (10.0, 3.0, 1.0, 0.3):
        count = max(2 * workers, int(wall * workers / seconds))
        told(workers, seconds, crowd(benchmark, shards[:count], workers, seconds))
    told(workers, 0.0, crowd(benchmark, shards, workers, 0.0))


def told(workers: int | str, seconds: float | None, result: Dispatched) -> None:
    """Print a line of that table."""
    wanted = f"{workers / seconds:.0f}" if isinstance(workers, int) and seconds else ""
    ended, own = result.shards / result.seconds, result.processor_seconds / result.shards * 1e3
    each = "" if seconds is None else seconds
    cells = (workers, result.shards, each, wanted, f"{ended:.0f}", f"{own:.2f}")
    print(f"| {' | '.join(map(str, cells))} | {peak():.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--explainers", type=int, default=4)
    parser.add_argument("--listed", type=int, default=100_000)
    parser.add_argument("--wall", type=float, default=20.0, help="Seconds of a line on Ray.")
    chosen = parser.parse_args()

    about = description()
    print(f"{about['processor']}, {about['cores']} cores, Python {platform.python_version()}\n")
    print("| what | size | seconds | µs each | peak memory, GiB |\n| --- | --- | --- | --- | --- |")
    wanted = load_benchmark("full-benchmark")
    dataset, model = next(iter(wanted.datasets)), next(iter(wanted.models))
    wanted = small(wanted, dataset, model, chosen.explainers)
    image_ids = {dataset: Counted(chosen.images).image_ids}
    subjects = {Subject(dataset, model): {"of": "nothing"}}
    described = describe_benchmark(wanted, subjects, {dataset: chosen.images})

    def plan(parts: Sequence[Part]) -> Plan:
        return make_plan(described, image_ids, parts)

    whole = row("plan, nothing stored", chosen.images, "images", lambda: plan([]))
    paths, parts = zip(*parts_of(whole), strict=True)
    half = parts[::2]
    row("plan, every other part stored", len(half), "parts", lambda: plan(half))
    row("plan, everything stored", len(parts), "parts", lambda: plan(parts))
    for names in (paths[: chosen.listed], paths):
        with local_folder(names) as folder:
            list_all("list a local run folder", names, folder)
        with listing_server(names) as uri:
            list_all("list a run folder by S3's protocol", names, uri)
    hand_out(wanted, whole.shards, chosen.workers, chosen.wall)


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
