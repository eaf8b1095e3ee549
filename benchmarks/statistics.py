"""What the statistics of one table's column take: processor seconds, by images and methods.

    python -m benchmarks.statistics [--images 50000] [--methods 30]

The values are made up: gamma by image times log-normal by method. It needs no data and no GPU.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from swag.comparing import compare_pairs, friedman, order, resampled
from swag.stats import Floats
from swagflow.report.pairs import agreement_of_images

T = TypeVar("T")


def made_up(num_images: int, num_methods: int) -> Floats:
    """Return value_NM of methods that differ a little."""
    random = np.random.default_rng(0)
    hard_N1 = random.gamma(4, 0.25, (num_images, 1))
    spread_NM = random.lognormal(0, 0.3, (num_images, num_methods))
    value_NM: Floats = 0.1 * hard_N1 * spread_NM * np.linspace(1, 1.5, num_methods)
    return value_NM


def timed(name: str, work: Callable[[], T]) -> T:
    """Print the processor time of some work and return its result."""
    start = time.process_time()
    result = work()
    print(f"| {name} | {time.process_time() - start:.2f} |", flush=True)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--methods", type=int, default=30)
    options = parser.parse_args(arguments)
    value_NM = made_up(options.images, options.methods)
    print(
        f"{options.images} images, {options.methods} methods\n\n| what | seconds |\n| --- | --- |"
    )
    mean_RM = timed("10,000 resamples", lambda: resampled(value_NM))
    timed("order", lambda: order(value_NM.mean(axis=0), mean_RM, higher_is_better=False))
    timed("all pairs", lambda: compare_pairs(value_NM, higher_is_better=False, mean_RM=mean_RM))
    timed("Friedman's test", lambda: friedman(value_NM, higher_is_better=False))
    timed("Krippendorff's alpha of the images", lambda: agreement_of_images(value_NM))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
