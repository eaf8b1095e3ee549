"""All that is asked of a GPU, in one command: tables on the screen, figures in a file.

    python -m benchmarks.gpu [--models resnet50] [--batch-sizes 32 64] [--json FILE]

- tests: those that need a GPU.
- slic: SLIC on the device beside scikit-image's and the compiled one.
- shard: a shard of 256 images through all gradient methods and deletion, and which step takes how
  much of the time, see `benchmarks.gpu_shard`.
- plan: what `swagflow plan` says of the paper's plan with rates measured here.
- methods: every native method, and other libraries where they are installed, at each batch size and
  in each precision of perturbed copies: pass efficiency, images a second, peak memory.

Pass efficiency is that of `benchmarks.pass_efficiency`: (passes that the method demands x the
model's own best time per pass, over all batch sizes in the same numbers) / time per image. Times
are the clock's around a device that has finished, on a CPU the processor's; of each the median.
Weights are random. What the time limit leaves out is named, and so is what fails.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch

from benchmarks import gpu_commands, gpu_jobs, gpu_shard
from benchmarks.gpu_jobs import OWN, Bench
from benchmarks.gpu_timing import FAULTS, Job, Row, Session, Unit, reason
from benchmarks.measure import Passes, photographs, versions
from benchmarks.pass_efficiency import forward, forward_and_backward, input_size
from swag.classifier import Classifier
from swag.forwards import CopyPasses, Precision
from swagflow.hardware import default_device, description, full_precision, tune_allocator

MODELS = ("resnet50", "vgg16", "vit_b_16")
PARTS = ("tests", "slic", "shard", "plan", "methods")
PEERS = {"captum": "captum", "grad-cam": "pytorch-grad-cam", "torchcam": "torch-cam"}
HEADER = (
    "| batch | library | method | copies in | passes | ms an image | images/s | efficiency "
    "| peak GiB |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def model_jobs(
    classifier: Classifier, sizes: Sequence[int], precisions: Sequence[Precision]
) -> Iterator[tuple[int, Job]]:
    """Yield the model's own passes at each batch size; float32 is there in any case."""
    model, device = classifier.model, classifier.device
    for size in sizes:
        x_NCHW = torch.randn(size, 3, *input_size(classifier), device=device)
        for precision in dict.fromkeys(("float32", *precisions)):

            def run(x: torch.Tensor = x_NCHW, precision: Any = precision) -> object:
                with CopyPasses(precision=precision).numbers(device):
                    return forward(model, x)

            name = "the model, forward"
            yield size, Job("torch", name, size, run, copies=1, precision=precision)
        both = partial(forward_and_backward, model, x_NCHW)
        yield size, Job("torch", "the model, forward and backward", size, both, Passes(1, 1))


def methods(session: Session, options: argparse.Namespace) -> list[Row]:
    """Print and return a row for each method of each model at each batch size."""
    rows: list[Row] = []
    sections = len(options.models) * len(options.batch_sizes)
    for name in options.models:
        classifier = gpu_jobs.classifier_of(name, session.device, max(options.batch_sizes))
        print(f"\n### {name}\n\n{HEADER}", flush=True)
        unit = Unit()
        for size, job in model_jobs(classifier, options.batch_sizes, options.precisions):
            row = {"model": name, "batch_size": size} | session.timed(job)
            unit.add(job, row)
            rows.append(shown(row))
        for size in options.batch_sizes:
            part = session.for_share(sections)
            sections -= 1
            rows += at_batch_size(part, (name, size, unit), classifier, options)
    return rows


def at_batch_size(
    session: Session,
    place: tuple[str, int, Unit],
    classifier: Classifier,
    options: argparse.Namespace,
) -> list[Row]:
    """Print and return the rows of a model at a batch size, as many as there is time for."""
    name, size, unit = place
    classifier.batch_size = size
    image_BCHW = photographs(size, input_size(classifier)).to(session.device)
    jobs = gpu_jobs.jobs_of(Bench(classifier, image_BCHW, options.samples), options.precisions)
    rows: list[Row] = []
    while True:
        row: Row = {"model": name, "batch_size": size}
        try:
            job = next(jobs, None)
        except FAULTS as error:
            row |= {"library": "", "method": "what follows", "failed": reason(error)}
            return [*rows, shown(row)]
        if job is None:
            return rows
        if session.left <= 0:
            what = f"{job.library}: " * (job.library != OWN) + f"{job.name} ({job.precision})"
            session.left_out.append(f"{name}, batch {size}: {what}")
            continue
        row |= session.timed(job)
        rows.append(shown(row | {"efficiency": unit.efficiency(job, row)}))


def shown(row: Row) -> Row:
    """Print a row of the table, and return it."""
    said = [str(row.get(key, "")) for key in ("library", "method", "precision", "demanded")]
    figures = [f"{row[key]:.{digits}f}" if row.get(key) is not None else ""
               for key, digits in (("milliseconds", 3), ("images_per_second", 0),
                                   ("efficiency", 2), ("peak_gib", 2))]  # fmt: skip
    if "failed" in row:
        figures[0] = row["failed"].replace("|", "/")
    print(f"| {row['batch_size']} | {' | '.join(said)} | {' | '.join(figures)} |", flush=True)
    return row


def slic(session: Session, options: argparse.Namespace) -> list[Row]:
    """Print and return a row for each implementation, on the pictures of the first model's size."""
    side = input_size(gpu_jobs.classifier_of(options.models[0], gpu_jobs.CPU, 1))
    print(f"\n## SLIC, {side[0]}x{side[1]}\n\n{HEADER}")
    rows = []
    for size, job in gpu_jobs.slic_jobs(side, session.device, options.batch_sizes):
        if session.left <= 0:
            session.left_out.append(f"SLIC, batch {size}: {job.name}")
        else:
            rows.append(shown({"batch_size": size} | session.timed(job)))
    return rows


def about(options: argparse.Namespace) -> dict[str, Any]:
    names = ("torch", "torchvision", "numpy", "scikit-image", "numba", *PEERS)
    told = {key: value for key, value in vars(options).items() if key != "json"}
    installed = versions(names) | {"python": platform.python_version()}
    return {
        "machine": description(), "threads": torch.get_num_threads(), **told, "versions": installed
    }  # fmt: skip


def main() -> None:
    options = parsed(sys.argv[1:])
    device = torch.device(options.device or default_device())
    on_cpu = not options.device and device.type == "cpu"
    if on_cpu or (device.type == "cuda" and not torch.cuda.is_available()):
        print("no CUDA device was found; give --device cpu to measure the processor in its place",
              file=sys.stderr)  # fmt: skip
        raise SystemExit(2)
    options.device = str(device)
    session = Session(device, options.repeats, time.monotonic() + options.time_limit)
    tune_allocator()
    full_precision()
    results = about(options)
    print(json.dumps(results))
    for package, library in PEERS.items():
        if results["versions"][package] is None:
            print(f"{library} is not installed and not timed")
    for name in options.parts:
        measure(name, session, options, results)
        results |= {"left_out": session.left_out, "failed": session.failed}
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")
    if session.left_out:
        print(f"\nleft out at the time limit of {options.time_limit:g} s:")
        print("\n".join(grouped(session.left_out)))
    if session.failed:
        raise SystemExit(f"failed: {', '.join(session.failed)}")


def grouped(names: Sequence[str]) -> list[str]:
    """Return a line for each place, with all that is left out there."""
    found: dict[str, list[str]] = {}
    for name in names:
        place, _, what = name.partition(": ")
        found.setdefault(place, []).append(what)
    return [f"- {place}{': ' * bool(what[0])}{', '.join(what)}" for place, what in found.items()]


def measure(
    name: str, session: Session, options: argparse.Namespace, results: dict[str, Any]
) -> None:
    """Add a part's results, where there is time for it."""
    parts: Mapping[str, Callable[[Session, argparse.Namespace], object]] = {
        "tests": gpu_commands.tests, "slic": slic, "shard": gpu_shard.shard,
        "plan": gpu_commands.plan, "methods": methods,
    }  # fmt: skip
    if session.left <= 0:
        session.left_out.append(f"all of {name}")
        return
    try:
        results[name] = parts[name](session, options)
    except FAULTS as error:
        traceback.print_exception(error)
        print(f"\n{name}: {reason(error)}")
        session.failed.append(name)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", help="default: the first GPU")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[32, 64, 128, 256])
    parser.add_argument("--precisions", nargs="+", choices=get_args(Precision),
                        default=list(get_args(Precision)), help="of perturbed copies")  # fmt: skip
    parser.add_argument("--samples", type=int, default=64, help="copies of an image")
    parser.add_argument("--shard-images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--time-limit", type=float, default=480.0, help="in seconds")
    parser.add_argument("--json", type=Path, help="write the results here too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
