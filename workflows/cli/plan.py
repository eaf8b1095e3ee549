"""The command `swagflow plan`: what a run would compute and what it would take."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from .options import (
    Address,
    AssumeData,
    BenchmarkName,
    Config,
    Device,
    ImagesPerSecond,
    Only,
    PricePerHour,
    RunDir,
    SaveThroughput,
    Set,
    ThroughputFile,
    Workers,
)
from .where import resources_for

EXAMPLE = "Example: swagflow plan full-benchmark --set models=[small_vgg]"


def plan(
    benchmark: BenchmarkName,
    config: Config = None,
    run_dir: RunDir = None,
    set_: Set = None,
    workers: Workers = None,
    address: Address = None,
    device: Device = None,
    only: Only = None,
    assume_data: AssumeData = False,
    throughput: ThroughputFile = None,
    save_throughput: SaveThroughput = None,
    price_per_hour: PricePerHour = None,
    images_per_second: ImagesPerSecond = None,
) -> None:
    """Show what a run would compute: images, model passes, storage, hours and cost.

    Times this machine for some seconds, and writes nothing into the run folder.
    """
    from .checked import checked_benchmark

    wanted = checked_benchmark(config or benchmark, set_, only)
    from ..forecast.plan_table import PlanOptions, parse_rates, show_plan

    show_plan(
        wanted,
        run_dir or f"runs/{Path(benchmark).stem}",
        resources_for(workers, address, device, Console(stderr=True)),
        PlanOptions(
            assume_data=assume_data,
            throughput=throughput,
            save_throughput=save_throughput,
            price_per_hour=price_per_hour,
            rates=parse_rates(images_per_second or []),
        ),
        Console(),
    )
