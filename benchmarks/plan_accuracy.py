"""How well `swagflow plan` predicts a run: time predicted and taken, in one process.

    python -m benchmarks.plan_accuracy full-benchmark --workers 2
    python -m benchmarks.plan_accuracy image-folder --photographs 8 --set model.weights=random:0

Measuring and running follow each other, so other work on the machine should be the same for both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.loader import write_pictures
from swagflow.config.load import load_benchmark
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import Resources, choose_resources
from swagflow.engine.todo import todo_of
from swagflow.forecast.cost import Estimate
from swagflow.forecast.lines import units_of
from swagflow.forecast.plan_table import hours
from swagflow.forecast.throughput import measure
from swagflow.front.running import dispatcher_for
from swagflow.store.run_folder import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark")
    parser.add_argument("--set", action="append", dest="overrides", default=[])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--photographs", type=int, help="Make so many, as the data set's folder.")
    chosen = parser.parse_args()
    resources = choose_resources(chosen.workers)
    with tempfile.TemporaryDirectory() as folder:
        overrides = list(chosen.overrides)
        if chosen.photographs:
            pictures = Path(folder) / "photographs"
            pictures.mkdir()
            write_pictures(pictures, chosen.photographs)
            overrides.append(f"dataset.root={pictures}")
        compare(chosen.benchmark, overrides, Path(folder) / "run", resources)


def compare(name: str, overrides: list[str], run: Path, resources: Resources) -> None:
    """Print what a plan says and what the run takes, without the report."""
    benchmark = load_benchmark(name, overrides)
    opened = open_benchmark(benchmark)
    store = Store(str(run))
    todo = todo_of(opened, store)
    estimate = Estimate(benchmark, opened.datasets)
    lines = estimate.lines(todo, resources)
    units = units_of(lines, estimate.timing_lines(todo, None))
    start = time.perf_counter()
    known = measure(units, resources.device, resources.threads, opened.datasets.values())
    measuring = time.perf_counter() - start
    lines |= estimate.timing_lines(todo, known)
    _, predicted = hours(lines, known, resources)
    start = time.perf_counter()
    compute(opened, store, dispatcher_for(resources), Console(stderr=True))
    taken = time.perf_counter() - start
    print(f"{len(units)} steps measured in {measuring:.1f} s on {known.machine}")
    print(f"predicted {predicted:.1f} s, taken {taken:.1f} s, ratio {predicted / taken:.2f}")


if __name__ == "__main__":
    main()
