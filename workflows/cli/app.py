"""The command line; every command only parses, and calls what does the work."""

from __future__ import annotations

import os

# Read by OpenMP when torch is imported, so set before: idle threads sleep instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ..errors import UserError
from . import data
from .guard import guarded
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

app = typer.Typer(
    name="swagflow",
    help="Which explanation of a CNN is faithful? Benchmarks on whole validation sets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)

app.add_typer(data.app, name="data")


@app.command(epilog="Example: swagflow run full-benchmark --set datasets.digit_scenes.images=32")
def run(
    benchmark: BenchmarkName,
    config: Config = None,
    run_dir: RunDir = None,
    set_: Set = None,
    workers: Workers = None,
    address: Address = None,
    device: Device = None,
    only: Only = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Compute rows again that have an error.")
    ] = False,
) -> None:
    """Compute what the run folder lacks, then write tables, figures and report.

    Run it again after any interruption: what is stored is kept, and the result is the same.
    """
    from ..config.load import load_benchmark
    from ..engine.resources import choose_resources
    from .commands import run_benchmark

    uri = run_dir or f"runs/{Path(benchmark).stem}"
    raise typer.Exit(
        run_benchmark(
            load_benchmark(config or benchmark, set_ or [], only or []),
            uri,
            choose_resources(workers, address, device),
            retry_errors=retry_errors,
            console=Console(stderr=True),
        )
    )


@app.command(epilog="Example: swagflow plan full-benchmark --set models=[tiny_vgg]")
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
    from ..config.load import load_benchmark
    from ..engine.resources import choose_resources
    from ..forecast.plan_table import PlanOptions, parse_rates, show_plan

    show_plan(
        load_benchmark(config or benchmark, set_ or [], only or []),
        run_dir or f"runs/{Path(benchmark).stem}",
        choose_resources(workers, address, device),
        PlanOptions(
            assume_data=assume_data,
            throughput=throughput,
            save_throughput=save_throughput,
            price_per_hour=price_per_hour,
            rates=parse_rates(images_per_second or []),
        ),
        Console(),
    )


@app.command(
    epilog="Examples: swagflow status runs/full-benchmark, "
    "swagflow status --address http://HEAD:8265 --job swagflow-1 --follow"
)
def status(
    run: Annotated[str | None, typer.Argument(help="Folder or URI of a run.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="The head of a cluster, http://HEAD:8265.")
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", help="A submitted job; all of them where left out.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show the job's log until it ends.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the job.")] = False,
) -> None:
    """Show how far a run is, cell by cell, and what went wrong; or how submitted jobs do."""
    if (run is None) == (address is None):
        raise UserError("status is of a run folder, or of a cluster's jobs: give RUN or --address")
    if run is not None:
        from .commands import show_status

        raise typer.Exit(show_status(run, Console()))

    if (follow or stop) and job is None:
        raise UserError("--follow and --stop need --job ID; status --address alone lists the jobs")
    from ..on_ray import jobs

    act = jobs.stop if stop else jobs.follow if follow else jobs.job_status
    raise typer.Exit(act(str(address), job, Console()))  # type: ignore[arg-type]


@app.command(
    epilog="Example: swagflow submit full-benchmark --address http://HEAD:8265 "
    "--run-dir s3://BUCKET/run"
)
def submit(
    benchmark: BenchmarkName,
    address: Annotated[
        str, typer.Option("--address", help="The head of the cluster, http://HEAD:8265.")
    ],
    run_dir: Annotated[
        str, typer.Option("--run-dir", help="Folder or URI that the whole cluster reaches.")
    ],
    config: Config = None,
    set_: Set = None,
    workers: Workers = None,
    device: Device = None,
    only: Only = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Compute rows again that have an error.")
    ] = False,
    module: Annotated[
        list[Path] | None,
        typer.Option("--module", help="Folder of a package that the configuration names."),
    ] = None,
    environment: Annotated[
        list[str] | None, typer.Option("--env", help="NAME=VALUE for the run and its workers.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return at once instead of following the log.")
    ] = False,
) -> None:
    """Run a benchmark as a job on a Ray cluster, follow its log and exit with its code.

    Submitting the same run again resumes it.
    """
    from ..on_ray import jobs
    from ..on_ray.submission import Request, parse_environment

    request = Request(
        benchmark=benchmark,
        run_dir=run_dir,
        config=config,
        overrides=tuple(set_ or ()),
        only=tuple(only or ()),
        workers=workers,
        device=device,
        retry_errors=retry_errors,
        modules=tuple(module or ()),
        environment=parse_environment(environment or []),
    )
    raise typer.Exit(jobs.submit(request, address, Console(), detach=detach))


@app.command(epilog="Example: swagflow report runs/full-benchmark")
def report(run: Annotated[str, typer.Argument(help="Folder or URI of a run.")]) -> None:
    """Write tables, figures and report.html again from what is stored; needs no model."""
    from .commands import write_report

    write_report(run, Console())


@app.command("list", epilog="Example: swagflow list explainers")
def list_(
    what: Annotated[
        Literal["explainers", "metrics", "models", "datasets", "benchmarks"] | None,
        typer.Argument(help="Which list; all of them where left out."),
    ] = None,
) -> None:
    """List the explainers, metrics, models, data sets and benchmarks that there are."""
    from .commands import show_list

    show_list(what, Console())


@app.command(
    epilog="Example: swagflow explain cat.jpg --model resnet50 --method swag_ig --output cat.png"
)
def explain(
    image: Annotated[Path, typer.Argument(help="A picture file.")],
    model: Annotated[
        str, typer.Option("--model", help="A model; see 'swagflow list models'.")
    ] = "resnet50",
    method: Annotated[
        str, typer.Option("--method", help="An explainer; see 'swagflow list explainers'.")
    ] = "swag_ig",
    output: Annotated[Path, typer.Option("--output", help="The picture to write.")] = Path(
        "explanation.png"
    ),
    weights: Annotated[
        str | None, typer.Option("--weights", help="Local weights, .safetensors or .pt.")
    ] = None,
    target: Annotated[
        int | None, typer.Option("--target", help="Class to explain.  [the predicted one]")
    ] = None,
) -> None:
    """Explain one image: a picture of it with its saliency over it."""
    from .commands import explain_image

    explain_image(image, (model, weights), method, target, output=output, console=Console())


@app.command(epilog="Example: swagflow train train-tiny --run-dir runs/tiny")
def train(
    config: Annotated[
        str, typer.Argument(help="A YAML file, or a name of the package's configurations.")
    ],
    run_dir: Annotated[
        str | None,
        typer.Option("--run-dir", help="Folder or URI of the training.  [runs/CONFIG]"),
    ] = None,
    set_: Set = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            help="Processes that share each batch; 0 trains in this one.  "
            "[one per GPU where this machine has several, else 0]",
        ),
    ] = None,
    address: Address = None,
    device: Device = None,
) -> None:
    """Train or fine-tune models on a data set; goes on where it was interrupted.

    Writes weights, learning curve and a checkpoint of the last epoch for each model.
    """
    from ..on_ray.training import choose_training_resources
    from .commands import train_models

    train_models(
        config,
        set_ or [],
        run_dir or f"runs/{Path(config).stem}",
        choose_training_resources(workers, address, device),
        Console(),
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every user error is one message and exit code 2."""
    code = guarded(lambda: app(arguments, standalone_mode=False), Console(stderr=True))
    sys.exit(code)
