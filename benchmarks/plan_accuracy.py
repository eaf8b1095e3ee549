"""How well `swagflow plan` predicts a run: hours predicted and taken, in one process.

    python -m benchmarks.plan_accuracy [BENCHMARK] [--set key=value ...]

Without `--set` it is the embedded benchmark with 10 images and without retraining. Measuring and
running follow each other, so other work on the machine should be the same for both.
"""

from __future__ import annotations

import argparse
import tempfile
import time

from rich.console import Console

from workflows.config import load_benchmark
from workflows.cost import Estimate
from workflows.plan_table import todo_of
from workflows.run import choose_resources, compute, open_benchmark
from workflows.store import Store
from workflows.throughput import measure

CUT = ["datasets.digit_scenes.images=10", "roar={}", "datasets.digit_scenes_train.images=1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benchmark", nargs="?", default="full-benchmark")
    parser.add_argument("--set", action="append", dest="overrides")
    arguments = parser.parse_args()
    benchmark = load_benchmark(arguments.benchmark, arguments.overrides or CUT)
    resources = choose_resources(0, device="cpu")
    opened = open_benchmark(benchmark)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        todo = todo_of(opened, store)
        estimate = Estimate(benchmark, opened.datasets)
        lines = estimate.lines(todo, resources)
        once = [*lines.values(), *estimate.timing_lines(todo, None).values()]
        start = time.perf_counter()
        known = measure(
            {unit for line in once for unit in line.work}, resources.device, resources.threads
        )
        measuring = time.perf_counter() - start
        lines |= estimate.timing_lines(todo, known)
        predicted = sum(line.work.seconds(known) for line in lines.values())
        start = time.perf_counter()
        compute(opened, store, resources, Console(stderr=True))
        taken = time.perf_counter() - start
    print(f"measured for {measuring:.1f} s on {known.machine}")
    print(f"predicted {predicted:.1f} s, taken {taken:.1f} s, ratio {predicted / taken:.2f}")


if __name__ == "__main__":
    main()
