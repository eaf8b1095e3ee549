"""A benchmark from configuration to report: open, plan, compute what is missing, write tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from typing import Any

import torch
from rich.console import Console

from swag.classifier import require_size
from swag.models import ModelSpec, fixed_size, load_classifier, resolved, weights_sha256
from workflows.address import check_form
from workflows.benchmark import Benchmark
from workflows.data import Dataset
from workflows.efficiency import TimingWorker, plan_timings
from workflows.errors import UserError
from workflows.hardware import default_device, num_cores, tune_allocator
from workflows.identity import describe
from workflows.lock import one_driver
from workflows.outcome import forget_errors
from workflows.plan import Plan, make_plan
from workflows.progress import meter
from workflows.provenance import provenance
from workflows.ray_runner import run_on_ray
from workflows.ray_session import session
from workflows.reconcile import reconcile
from workflows.roar import RoarJob, RoarWorker, jobs_of, missing_jobs
from workflows.store import Part, Store
from workflows.work import Report, Resources, Work, Worker, run_ahead
from workflows.worker import ShardWorker

Subjects = dict[tuple[str, str], dict[str, object]]


@dataclass(frozen=True)
class Todo:
    """What a store lacks of a benchmark."""

    plan: Plan
    timings: Plan
    jobs: Sequence[RoarJob]
    replaced: Sequence[str] = ()
    """Results of jobs that others have replaced."""

    def __bool__(self) -> bool:
        return bool(self.plan.shards or self.timings.shards or self.jobs)


@dataclass(frozen=True)
class Opened:
    """A benchmark whose data sets and models have been found and identified."""

    benchmark: Benchmark
    datasets: dict[str, Dataset]
    subjects: Subjects

    def plan(self, parts: Sequence[Part]) -> Plan:
        return make_plan(self.benchmark, self.datasets, self.subjects, parts)

    def timings(self, parts: Sequence[Part]) -> Plan:
        return plan_timings(self.benchmark, self.datasets, self.subjects, parts)

    def todo(self, store: Store) -> Todo:
        parts = store.parts()
        jobs, replaced = missing_jobs(jobs_of(self.benchmark, self.subjects), store)
        return Todo(self.plan(parts), self.timings(parts), jobs, replaced)


def open_benchmark(benchmark: Benchmark) -> Opened:
    """Open every data set and load every model once.

    Raises:
        UserError: a data set is missing or empty, a model or its weights cannot be loaded, or a
            model takes images of another size only.
    """
    benchmark = _resolved(benchmark)
    datasets = {name: config.open() for name, config in benchmark.datasets.items()}
    subjects: Subjects = {}
    known: dict[object, dict[str, object]] = {}
    for dataset, opened in datasets.items():
        for model in benchmark.models:
            spec = benchmark.model_spec(dataset, model)
            if spec not in known:
                known[spec] = _identify(model, spec)
            _require_size(model, spec, dataset, opened)
            subjects[dataset, model] = {
                "dataset": opened.fingerprint,
                "model": known[spec],
            }
    return Opened(benchmark, datasets, subjects)


def _resolved(benchmark: Benchmark) -> Benchmark:
    """Return the benchmark with the numbers of every normalisation, which are part of its rows."""

    def numbers(name: str, spec: ModelSpec) -> ModelSpec:
        try:
            return resolved(spec)
        except ValueError as error:
            raise UserError(f"models.{name}: {error}") from error

    on = {
        name: {dataset: numbers(name, spec) for dataset, spec in specs.items()}
        for name, specs in benchmark.on.items()
    }
    models = {name: numbers(name, spec) for name, spec in benchmark.models.items()}
    return replace(benchmark, models=models, on=on)


def _require_size(name: str, spec: ModelSpec, dataset: str, opened: Dataset) -> None:
    try:
        require_size(fixed_size(spec), opened.input_size)
    except ValueError as error:
        raise UserError(f"models.{name} on {dataset}: {error}") from error


def _identify(name: str, spec: ModelSpec) -> dict[str, object]:
    try:
        classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=1)
    except ValueError as error:
        raise UserError(f"models.{name}: {error}") from error
    described = {key: value for key, value in describe(spec).items() if key != "weights"}
    return {**described, "weights_sha256": weights_sha256(classifier.model)}


def description_of(opened: Opened) -> dict[str, Any]:
    """Return benchmark.yaml: every setting with its defaults, and what identifies the subjects."""
    benchmark = opened.benchmark
    described: dict[str, Any] = describe(benchmark)
    described.pop("class")
    for name, explainer in benchmark.explainers.items():
        described["explainers"][name]["kind"] = explainer.kind
    described["metrics"] |= described.pop("timings")
    for name, metric in benchmark.metrics.items():
        described["metrics"][name]["higher_is_better"] = metric.higher_is_better
    for name, timing in benchmark.timings.items():
        described["metrics"][name]["higher_is_better"] = timing.higher_is_better
    described["subjects"] = {
        f"{dataset}/{model}": subject for (dataset, model), subject in opened.subjects.items()
    }
    return described


def compute(
    opened: Opened,
    store: Store,
    resources: Resources,
    console: Console,
    *,
    retry_errors: bool = False,
) -> bool:
    """Compute what the store lacks; return whether there was anything."""
    with one_driver(store.folder, store.uri, console):
        store.folder.remove_temporaries()
        description = reconcile(store, description_of(opened))
        if retry_errors:
            forget_errors(store)
        todo = opened.todo(store)
        store.write_benchmark(description)
        store.folder.delete_all((*todo.plan.outdated, *todo.timings.outdated, *todo.replaced))
        if not todo:
            console.print("Nothing to compute: the run folder holds every row.")
            return False
        console.print(_announcement(todo, resources), soft_wrap=True)
        subjects = {f"{d}/{m}": subject for (d, m), subject in opened.subjects.items()}
        store.write_provenance(provenance(subjects, asdict(resources)))
        _carry_out((opened.benchmark, store.uri), todo, resources, console)
    return True


def _carry_out(
    about: tuple[Benchmark, str], todo: Todo, resources: Resources, console: Console
) -> None:
    """Compute a plan's shards, then train, then time while nothing else runs."""
    plan, timings, jobs = todo.plan, todo.timings, todo.jobs
    # Times are taken where the device is, which the head of a cluster need not have.
    timer = replace(resources, num_workers=0 if resources.address is None else 1)
    with ExitStack() as connected:
        connected.enter_context(_session(resources))
        if plan.shards:
            with meter(console, plan.num_rows, about[0].name) as progress:
                for report in _reports(ShardWorker, about, plan.shards, resources):
                    shard = report.shard
                    progress.advance(shard.num_rows, f"{shard.dataset}/{shard.model}")
        if jobs:
            with meter(console, len(jobs), "remove and retrain", "jobs") as progress:
                for trained in _reports(RoarWorker, about, jobs, resources):
                    job = trained.job
                    progress.advance(1, f"{job.explainer} without {job.fraction:.0%}")
        if timer.num_workers == 0:
            connected.close()
        if timings.shards:
            with meter(console, timings.num_rows, "efficiency") as progress:
                for timed in _reports(TimingWorker, about, timings.shards, timer):
                    progress.advance(timed.shard.num_rows, timed.shard.tasks[0].explainer)


def _announcement(todo: Todo, resources: Resources) -> str:
    plan, timings, jobs = todo.plan, todo.timings, todo.jobs
    held = plan.num_rows_wanted - plan.num_rows
    parts = [f"{plan.num_rows} rows to compute in {len(plan.shards)} shards"] if plan.shards else []
    parts += [f"{held} rows held already"] if held else []
    parts += [f"{len(jobs)} models to retrain"] if jobs else []
    parts += [f"{len(timings.shards)} methods to time"] if timings.shards else []
    return f"{', '.join(parts)}; {resources}"


def _session(resources: Resources) -> AbstractContextManager[None]:
    return nullcontext() if resources.num_workers == 0 else session(resources)


def _reports(
    worker: type[Worker[Work, Report]],
    about: tuple[Benchmark, str],
    items: Sequence[Work],
    resources: Resources,
) -> Iterator[Report]:
    if resources.num_workers != 0:
        yield from run_on_ray(worker, about, items, resources)
        return
    tune_allocator()
    torch.set_num_threads(resources.threads_with(torch.cuda.device_count()))
    single = worker(*about, resources.device)
    for item, upcoming in zip_longest(items, items[1:]):
        yield run_ahead(single, item, upcoming)


def choose_resources(
    workers: int | None, address: str | None = None, device: str | None = None
) -> Resources:
    """Return the resources for `--workers`, `--address` and `--device`.

    Without a number of workers: one per GPU, else per core, of this machine or of the cluster. On
    the CPU a worker has one thread, so that any number of workers gives the same bits.
    """
    device = str(default_device()) if device is None else device
    if device not in {"cpu", "cuda"}:
        raise UserError(f"--device {device}: wanted cpu or cuda")
    if workers is not None and workers < 0:
        raise UserError(f"--workers {workers}: wanted 0 (in this process) or more")
    if workers is None and address is None:
        workers = torch.cuda.device_count() if device == "cuda" else num_cores()
    if address is not None:
        check_form(address)
        if workers == 0:
            raise UserError(
                "--workers 0 runs in this process, and --address on a cluster; give one"
            )
    return Resources(num_workers=workers, device=device, address=address)
