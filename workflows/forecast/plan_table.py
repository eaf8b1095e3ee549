"""`swagflow plan`: what a run would do, how long it would take and what it would cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from ..config.benchmark import Benchmark
from ..engine.opening import open_benchmark
from ..engine.resources import Resources
from ..engine.todo import todo_of
from ..errors import UserError
from ..store.described import PREDICTED
from ..store.run_folder import Store
from .assumed_data import assume
from .cost import Estimate
from .lines import TIMING, CostLine, Lines, units_of
from .throughput import Throughput, measure

COLUMNS = ("images", "rows", "forward", "backward", "bytes", "time")
_THOUSANDS = ("", "k", "M", "G", "T", "P")


@dataclass(frozen=True)
class PlanOptions:
    """What a plan is made with beside the benchmark."""

    assume_data: bool = False
    """Take the official numbers of images of data sets that are not there, and do without weights;
    then nothing counts as stored."""
    throughput: Path | None = None
    """A measurement to use; None: measure now."""
    save_throughput: Path | None = None
    """Where to write the measurement."""
    price_per_hour: float | None = None
    """Of a worker."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Images a second of models' forward passes on the hardware that is planned for, where that is
    not this machine."""


def show_plan(
    benchmark: Benchmark, uri: str, resources: Resources, options: PlanOptions, console: Console
) -> None:
    """Print a row per data set, model and explainer that the run folder lacks, and the totals."""
    known = None if options.throughput is None else Throughput.load(options.throughput)
    opened = assume(benchmark) if options.assume_data else open_benchmark(benchmark)
    todo = todo_of(opened, Store(uri))
    estimate = Estimate(benchmark, opened.datasets)
    lines = estimate.lines(todo, resources)
    units = units_of(lines, estimate.timing_lines(todo, None))
    if known is None:
        with console.status(f"measuring {len(units)} steps on this machine"):
            datasets = opened.datasets.values()
            known = measure(units, resources.device, resources.threads, datasets)
    if options.save_throughput is not None:
        known.save(options.save_throughput)
    if options.rates:
        known = known.at_rates(options.rates, units)
    lines |= estimate.timing_lines(todo, known)
    console.print(table_of(benchmark.name, lines, known))
    texts = totals(lines, known, resources, options)
    if benchmark.target != PREDICTED:
        texts = [*texts, f"Explained: {benchmark.target}"]
    notes = [f"Note: {note}" for note in opened.notes]
    for text in (*texts, *notes, f"Measured on: {known.machine}"):
        console.print(text, soft_wrap=True, highlight=False)


def parse_rates(options: Sequence[str]) -> dict[str, float]:
    """Return MODEL=NUMBER options as a mapping.

    Raises:
        UserError: an option is not of that form.
    """
    rates = {}
    for option in options:
        model, _, number = option.partition("=")
        try:
            rates[model] = float(number)
        except ValueError:
            rates[model] = 0.0
        if not model or not 0 < rates[model] < math.inf:
            raise UserError(
                f"--images-per-second {option!r}: wanted MODEL=NUMBER, such as resnet50=1200"
            )
    return rates


def table_of(title: str, lines: Lines, throughput: Throughput) -> Table:
    """Return the table; explainers of one grid share a row."""
    table = Table(
        title=f"{title}: what is to be computed",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("data set, model", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for subject in dict.fromkeys(subject for subject, _ in lines):
        grouped = _grouped({name: line for (own, name), line in lines.items() if own == subject})
        table.add_row(f"[bold]{subject.dataset},\n{subject.model}[/]")
        for name, line in grouped.items():
            table.add_row(f"  {name}", *_cells(line, throughput))
        table.add_section()
    total = _sum(lines.values())
    total.images = sum(
        max(line.images for (subject, _), line in lines.items() if subject.dataset == dataset)
        for dataset in {subject.dataset for subject, _ in lines}
    )
    table.add_row("total", *_cells(total, throughput))
    return table


def _grouped(lines: dict[str, CostLine]) -> dict[str, CostLine]:
    """Return lines by explainer, those of a grid (NAME-VALUE-...) as one."""
    groups: dict[str, list[tuple[str, CostLine]]] = {}
    for name, line in lines.items():
        groups.setdefault(name.partition("-")[0], []).append((name, line))
    return {
        members[0][0] if len(members) == 1 else f"{stem}-... ({len(members)})": _sum(
            line for _, line in members
        )
        for stem, members in groups.items()
    }


def _sum(lines: Iterable[CostLine]) -> CostLine:
    total = CostLine()
    for line in lines:
        total.add(line)
    return total


def _cells(line: CostLine, throughput: Throughput) -> list[str]:
    passes = [line.work.passes("forward"), line.work.passes("backward")]
    numbers = [line.images, line.rows, *passes, line.bytes]
    return [*(short(number) for number in numbers), span(line.work.seconds(throughput.of))]


def hours(lines: Lines, throughput: Throughput, resources: Resources) -> tuple[float, float]:
    """Return the seconds of all work, and those by the clock: timings run alone."""
    seconds = {key: line.work.seconds(throughput.of) for key, line in lines.items()}
    alone = sum(value for (_, name), value in seconds.items() if name == TIMING)
    shared = sum(seconds.values()) - alone
    return shared + alone, shared / max(resources.num_workers or 1, 1) + alone


def totals(
    lines: Lines, throughput: Throughput, resources: Resources, options: PlanOptions
) -> list[str]:
    """Return hours and price in words."""
    work, wall = hours(lines, throughput, resources)
    workers, price = max(resources.num_workers or 1, 1), options.price_per_hour
    where = "as fast as given" if options.rates else f"on {resources.device}"
    texts = [
        f"{span(work)} of work, about {span(wall)} with {workers} "
        f"worker{'s' if workers > 1 else ''} {where}; starting them and drawing the "
        "report come on top."
    ]
    if price is not None:
        cost = wall / 3600 * workers * price
        texts.append(f"At {price:g} per worker and hour: {cost:,.2f}.")
    return texts


def span(seconds: float) -> str:
    """Return a time span with three digits in hours, minutes or seconds."""
    size, unit = next(item for item in ((3600, "h"), (60, "min"), (0, "s")) if seconds >= item[0])
    value = seconds / (size or 1)
    return f"{value:,.{_decimals(value)}f} {unit}"


def short(number: float) -> str:
    """Return a number with three digits and a prefix of a thousand or more; 9,999 as it is."""
    if number < 9_999.5:
        return f"{number:,.0f}"
    power = min(int(math.log10(number * 1.0005) / 3), len(_THOUSANDS) - 1)
    value = number / 1000**power
    return f"{value:.{_decimals(value)}f} {_THOUSANDS[power]}"


def _decimals(value: float) -> int:
    """Return how many decimals make three digits, at most two."""
    return max(0, 2 - int(math.log10(max(value, 1))))
