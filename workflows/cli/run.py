"""What the commands do; the command line only parses and prints errors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import swag
from swag.catalog import EXPLAINERS, METRICS
from swag.lookup import lookup
from swag.models import ModelSpec, load_classifier, model_names
from swag.models.timm_models import is_installed
from swag.models.tiny import TINY

from ..config.benchmark import Benchmark
from ..config.load import EFFICIENCY, config_names
from ..data import DATASETS, Dataset, load_image
from ..engine.compute import compute
from ..engine.opening import open_benchmark
from ..engine.plan import CellState
from ..engine.resources import Resources
from ..engine.status import status_of
from ..engine.work import IN_PROCESS
from ..errors import ImageError, UserError
from ..hardware import default_device, tune_allocator
from ..on_ray.runner import OnRay
from ..on_ray.training import train_on_ray
from ..progress import duration
from ..report import build_report
from ..report.gallery import save_explanation
from ..store.failures import Kept, failed_rows
from ..store.files import Folder
from ..store.lock import one_driver
from ..store.run_folder import Store
from ..train.train_config import load_train_configs
from ..train.training import TrainRow, train

SHOWN_ERRORS = 20


def run_benchmark(
    benchmark: Benchmark,
    uri: str,
    resources: Resources,
    *,
    retry_errors: bool,
    console: Console,
) -> int:
    """Compute, report and say what is missing; return the exit code."""
    start = time.monotonic()
    store = Store(uri)
    opened = open_benchmark(benchmark)
    dispatcher = IN_PROCESS if resources.num_workers == 0 else OnRay()
    computed = compute(
        opened, store, resources, console, dispatcher=dispatcher, retry_errors=retry_errors
    )
    store = Kept(store)
    if computed or not store.folder.exists("report.html"):
        written = build_report(store, open_datasets=opened.datasets.get)
        console.print(f"{len(written)} files written.", highlight=False)
    console.print(
        f"Report: {uri.rstrip('/')}/report.html ({duration(time.monotonic() - start)})",
        soft_wrap=True,
        highlight=False,
    )
    return say_missing(store, console)


def say_missing(store: Store, console: Console) -> int:
    """Name the images without a score, each with its reason; return the exit code."""
    failed = failed_rows(store)
    if failed.empty:
        return 0
    images = failed.groupby(["dataset", "image_id", "error"], sort=True).size()
    console.print(f"[bold]{len(failed)} rows are missing[/], because of:")
    for (dataset, image_id, error), count in list(images.items())[:SHOWN_ERRORS]:
        console.print(
            f"  {escape(f'{dataset}/{image_id}: {error}')} ({count} rows)",
            soft_wrap=True,
            highlight=False,
        )
    if len(images) > SHOWN_ERRORS:
        console.print(f"  and {len(images) - SHOWN_ERRORS} more; 'swagflow report' lists them all")
    return 1


def show_status(uri: str, console: Console) -> int:
    """Print rows stored and missing per cell; return the exit code of the run."""
    store = Kept(Store(uri))
    status = status_of(store)
    failed = failed_rows(store)
    errors = failed.groupby(["dataset", "model", "explainer", "metric"]).size()
    table = Table(title=f"{status.described.name} in {uri}")
    for column in ("data set", "model", "explainer", "metric"):
        table.add_column(column)
    for column in ("rows", "missing", "errors"):
        table.add_column(column, justify="right")
    for state in status.cells:
        name, held = state.cell.name, state.num_held
        if name.metric is not None:
            counts = held, state.num_wanted - held, errors.get(tuple(name), 0)
            table.add_row(*name, *map(str, counts))
    console.print(table)
    for state in status.unfinished:
        console.print(_unfinished(state), soft_wrap=True, highlight=False)
    if status.missing_jobs:
        counted = f"{len(status.missing_jobs)} of {len(status.jobs)}"
        console.print(f"unfinished: {counted} trainings of remove and retrain are missing")
    return max(say_missing(store, console), int(not status.is_complete))


def _unfinished(state: CellState) -> str:
    name, missing = state.cell.name, state.num_wanted - state.num_held
    rows = f"{missing} of {state.num_wanted} images are missing"
    return f"unfinished: {name.subject} {name.explainer} {name.metric or 'masks'}: {rows}"


def write_report(uri: str, console: Console) -> None:
    """Write tables, figures and report.html from the store."""
    store = Store(uri)
    described = store.read_benchmark()

    def open_dataset(name: str) -> Dataset | None:
        fields = dict(described.datasets.get(name, {}))
        factory = {kind.__name__: kind for kind in DATASETS.values()}.get(fields.pop("class", ""))
        try:
            return None if factory is None else factory(**fields).open()
        except UserError:
            return None  # the report does without pictures where the data is not at hand

    written = build_report(store, open_datasets=open_dataset)
    for path in written:
        console.print(f"{uri.rstrip('/')}/{path}", soft_wrap=True, highlight=False)


def train_models(
    config: str, overrides: Sequence[str], uri: str, resources: Resources, console: Console
) -> None:
    """Train every model of a configuration, each in its own folder."""
    tune_allocator()
    for name, about in load_train_configs(config, overrides).items():
        title = f"{name}, of {about.recipe.epochs} epochs"
        run_dir = f"{uri.rstrip('/')}/{name}"

        def say(row: TrainRow, title: str = title) -> None:
            console.print(
                f"{title}: {row.epoch + 1}, loss {row.loss:.4f}, "
                f"validation accuracy {row.accuracy:.2%}, {duration(row.seconds)}",
                highlight=False,
            )

        try:
            with one_driver(Folder.at(run_dir), run_dir, console):
                if resources.num_workers:
                    console.print(f"{title}: starting {resources}", highlight=False)
                    result = train_on_ray(about, run_dir, resources, say)
                else:
                    where = torch.device(resources.device)
                    result = train(about, run_dir, device=where, on_epoch=say)
        except ValueError as error:
            raise UserError(f"models.{name}: {error}") from error
        console.print(
            f"{result.weights} (sha256 of the weights {result.weights_sha256})", soft_wrap=True
        )


def show_list(what: str | None, console: Console) -> None:
    """Print names, one a line, with what they are."""
    lists: dict[str, list[tuple[str, str]]] = {
        "explainers": [(name, _about(item)) for name, item in EXPLAINERS.items()],
        "metrics": [(name, _about(item)) for name, item in {**METRICS, **EFFICIENCY}.items()],
        "models": _models(),
        "datasets": [(name, _first_line(kind)) for name, kind in DATASETS.items()],
        "benchmarks": [(name, "") for name in config_names()],
    }
    for title, entries in lists.items():
        if what not in {None, title}:
            continue
        if what is None:
            console.print(f"[bold]{title}[/]")
        width = max((len(name) for name, _ in entries), default=0)
        for name, about in entries:
            console.print(f"{name:<{width}}  {escape(about)}".rstrip(), soft_wrap=True)


def _models() -> list[tuple[str, str]]:
    timm = [("timm/NAME", "an architecture of timm, such as timm/convnext_tiny")]
    return [*((name, "") for name in model_names()), *(timm if is_installed() else [])]


def _about(item: object) -> str:
    kind = getattr(item, "kind", "")
    return f"{kind + ': ' if kind else ''}{_first_line(type(item))}"


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def explain_image(
    image: Path,
    model: tuple[str, str | None],
    method: str,
    target: int | None,
    *,
    output: Path,
    console: Console,
) -> None:
    """Write a picture of one image beside its saliency."""
    architecture, weights = model
    try:
        explainer = lookup("explainer", method, EXPLAINERS)
        spec = ModelSpec(architecture=architecture, weights=weights or "default")
        classifier = load_classifier(spec, device=default_device(), batch_size=32)
        size, _ = classifier.image_size or ((112, 112) if architecture in TINY else (224, 224))
        picture, _ = load_image(image, size)
    except FileNotFoundError:
        raise UserError(f"image {str(image)!r} was not found; give the path of a picture") from None
    except (ValueError, ImageError) as error:
        raise UserError(str(error)) from error
    batch = swag.Batch(
        image_BCHW=picture[None].to(classifier.device),
        image_ids=(image.name,),
        target_B=None if target is None else torch.tensor([target], device=classifier.device),
    )
    signals = swag.Signals(classifier, batch, explainer.needs)
    saliency_HW = explainer(signals)[0].cpu().numpy()
    chosen = int(signals.target_B[0])
    probability = float(signals.probability_BK[0, chosen])
    save_explanation(picture.numpy(), saliency_HW, output)
    console.print(
        f"{output}: {method} of class {chosen} (probability {probability:.3f})", highlight=False
    )
