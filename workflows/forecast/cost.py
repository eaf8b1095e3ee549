"""What a plan will take before anything runs: model passes, storage, hours and money."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from typing import Literal

from swag.metrics.efficiency import CHEAP_WARM_UP
from swag.protocols import (
    Explainer,
    TunedMetric,
    asks_model,
    explanations_of,
    forwards_once,
    needs_of,
    passes_of,
    passes_once,
    randomised_once,
    segmenter_of,
    shared_passes,
    summed,
)

from ..config.benchmark import Benchmark
from ..data import Dataset
from ..engine.plan import Shard
from ..engine.resources import Resources
from ..engine.roar_jobs import RoarJob, recipe_of
from ..engine.todo import Todo
from ..engine.tuning_jobs import TuningJob
from ..store.experiments import Recipe
from .lines import RETRAINING, SHARED, TIMING, TUNING, Amounts, CostLine, Lines, Subject, Unit, What
from .throughput import Throughput

BYTES_PER_SCORE = 60
BYTES_PER_PIXEL = {"region": 0.6, "pixel": 3.6, "control": 2.4}
"""Of a stored saliency: superpixels repeat and pack well, single pixels hardly at all."""


class Estimate:
    """What a benchmark takes, line by line.

    Args:
        benchmark: what is computed.
        datasets: the opened data sets by name.
    """

    def __init__(self, benchmark: Benchmark, datasets: dict[str, Dataset]) -> None:
        self._benchmark = benchmark
        self._datasets = datasets

    def lines(self, todo: Todo, resources: Resources) -> Lines:
        """Return a line for each data set, model and explainer; shared work has lines too."""
        lines: Lines = {}
        for kind, shards in _kinds(todo.plan.shards).items():
            for name, line in self._shards(kind, shards):
                subject = Subject(kind[0], kind[1])
                lines.setdefault((subject, name), CostLine()).add(line)
        for tuning in todo.tunings:
            line = lines.setdefault((Subject(*tuning.subject), TUNING), CostLine())
            line.add(self._tuning(tuning))
        for job in todo.jobs:
            line = lines.setdefault((Subject(job.dataset, job.model), RETRAINING), CostLine())
            line.add(self._job(job))
        workers = max(resources.num_workers or 1, 1)
        for (subject, name), line in lines.items():
            if name == RETRAINING:
                copies = min(workers, len(todo.jobs))
                for dataset in (subject.dataset, self._benchmark.roar[subject.dataset].train):
                    images = len(self._datasets[dataset].image_ids)
                    line.work[self._loading(dataset)] += copies * images
        return lines

    def timing_lines(self, todo: Todo, throughput: Throughput | None) -> Lines:
        """Return the lines of the efficiency table; without a throughput, once each explainer."""
        lines: Lines = {}
        for shard in todo.timings.shards:
            line = lines.setdefault((Subject(shard.dataset, shard.model), TIMING), CostLine())
            line.add(self._timing(shard, throughput))
        return lines

    def _shards(self, kind: _Kind, shards: Sequence[Shard]) -> Iterator[tuple[str, CostLine]]:
        """Yield the lines of shards that ask for the same."""
        dataset, model, tasks = kind
        images = sum(len(shard.image_ids) for shard in shards)
        fresh = [self._benchmark.explainer(name, model) for name, is_new, _ in tasks if is_new]
        shared = CostLine(images)
        shared.work[self._loading(dataset)] += images
        self._shared_passes(shared.work, Subject(dataset, model), fresh, images)
        yield SHARED, shared
        seen: set[Unit] = set()
        held: set[Hashable] = set()
        once = {metric: None for _, _, metrics in tasks for metric in metrics}
        yield from self._once(Subject(dataset, model), once, shards)
        for name, is_new, metrics in tasks:
            line = CostLine(images, images * (is_new + len(metrics)))
            line.bytes = BYTES_PER_SCORE * images * len(metrics)
            explainer = self._benchmark.explainer(name, model)
            if is_new:
                line.bytes += images * self._pixels(dataset) * BYTES_PER_PIXEL[explainer.kind]
                line.work[self._unit("masks", explainer.kind, dataset)] += images
                self._method(line.work, (dataset, model), explainer, images, held)
                held |= passes_once(explainer).keys()
                superpixels = self._superpixels(explainer, dataset)
                line.work.update(dict.fromkeys(superpixels - seen, images))
                seen |= superpixels
            for metric in metrics:
                scored = self._benchmark.metrics[metric]
                self._method(line.work, (dataset, model), scored, images)
                self._again(line.work, Subject(dataset, model), (scored, explainer), images)
                units = self._superpixels(scored, dataset)
                line.work.update(dict.fromkeys(units - seen, images))
                seen |= units
            line.work[self._unit("scores", "a part", dataset)] += len(shards) * len(metrics)
            yield name, line

    def _once(
        self, subject: Subject, metrics: Iterable[str], shards: Sequence[Shard]
    ) -> Iterator[tuple[str, CostLine]]:
        """Yield what metrics do once for all explainers, and what tuned models classify."""
        scored = [self._benchmark.metrics[name] for name in metrics]
        images = sum(len(shard.image_ids) for shard in shards)
        tuned = {item.perturbation for item in scored if isinstance(item, TunedMetric)}
        passes = len(tuned) + sum(map(forwards_once, dict.fromkeys(scored)))
        if passes:
            line = CostLine(images)
            line.work[self._pass("forward", subject)] += images * passes
            yield TUNING if tuned else SHARED, line
        copies = {share: None for item in scored for share in randomised_once(item)}
        if copies:
            units = [self._copy(subject, share) for share in copies]
            yield SHARED, CostLine(images, work=Amounts(dict.fromkeys(units, len(shards))))

    def _copy(self, subject: Subject, share: tuple[float, float]) -> Unit:
        """Return the making of a copy of a model with a share of its layers drawn anew."""
        first, last = share
        unit = self._pass("forward", subject)
        name = f"{unit.name}, its layers from {first:.3g} to {last:.3g} of the way back"
        return replace(unit, what="copy", name=name, subject=(unit.subject, share))

    def _step(self, recipe: Recipe, subject: Subject, seed: int) -> Unit:
        """Return a training step of a recipe."""
        spec = self._benchmark.model_spec(*subject)
        height, width = self._datasets[subject.dataset].input_size
        return Unit(
            "training",
            f"{spec.architecture} by {recipe.optimizer}",
            (height, width),
            recipe.batch_size,
            (spec, recipe_of(recipe, seed)),
        )

    def _tuning(self, job: TuningJob) -> CostLine:
        tuning = self._benchmark.tuning[job.subject.dataset]
        images = len(self._datasets[tuning.train].image_ids)
        line = CostLine()
        step = self._step(tuning, Subject(*job.subject), self._benchmark.seed)
        line.work[step] = images * tuning.epochs
        line.work[self._loading(tuning.train)] += images
        return line

    def _job(self, job: RoarJob) -> CostLine:
        roar = self._benchmark.roar[job.dataset]
        training, validation = (
            len(self._datasets[name].image_ids) for name in (roar.train, job.dataset)
        )
        line = CostLine(validation, rows=1)
        step = self._step(roar, Subject(job.dataset, job.model), job.repeat)
        line.work[step] = training * roar.epochs
        line.work[self._pass("forward", Subject(job.dataset, job.model))] = validation
        if job.fraction:
            line.work[self._unit("ranks", "a saliency", job.dataset)] = training + validation
        return line

    def _timing(self, shard: Shard, throughput: Throughput | None) -> CostLine:
        (task,) = shard.tasks
        images = len(shard.image_ids)
        explainer = self._benchmark.explainer(task.explainer, shard.model)
        once = Amounts()
        subject = Subject(shard.dataset, shard.model)
        self._shared_passes(once, subject, [explainer], 1)
        self._method(once, subject, explainer, 1)
        once.update(dict.fromkeys(self._superpixels(explainer, shard.dataset), 1))
        turn = min(self._benchmark.batch_size, images)
        is_warmed = throughput is not None and once.seconds(throughput.of) * turn <= CHEAP_WARM_UP
        times = 1 + 2 * images + (turn if is_warmed else 0)
        line = CostLine(images, images, BYTES_PER_SCORE * images)
        line.work = Amounts({unit: amount * times for unit, amount in once.items()})
        line.work[self._loading(shard.dataset)] += images
        self._shared_passes(line.work, subject, [], images)
        return line

    def _shared_passes(
        self, work: Amounts, subject: Subject, explainers: Iterable[Explainer], images: int
    ) -> None:
        """Add what the signals of some explainers cost together: a forward, 0 to 2 backward."""
        shared = shared_passes(frozenset[str]().union(*map(needs_of, explainers)))
        work[self._pass("forward", subject)] += images * shared.forwards
        if shared.backwards:
            work[self._pass("backward", subject)] += images * shared.backwards

    def _method(
        self,
        work: Amounts,
        subject: tuple[str, str],
        item: object,
        images: int,
        held: Set[Hashable] = frozenset(),
    ) -> None:
        """Add an explainer's or metric's own passes, and what it does beside them.

        Args:
            held: keys of passes that other methods of a batch have run for all.
        """
        own, once = passes_of(item), passes_once(item)
        spared = summed(passes for key, passes in once.items() if key in held)
        if forwards := own.forwards - spared.forwards:
            work[self._pass("forward", Subject(*subject))] += images * forwards
        if backwards := own.backwards - spared.backwards:
            work[self._pass("backward", Subject(*subject))] += images * backwards
        what: What = "rest" if once and once.keys() <= held else "method"
        work[self._unit(what, repr(item), subject[0], item)] += images

    def _again(
        self, work: Amounts, subject: Subject, judging: tuple[object, Explainer], images: int
    ) -> None:
        """Add what a metric's explaining again costs: signals, superpixels, and the method."""
        metric, explainer = judging
        again = images * explanations_of(metric)
        if again:
            if asks_model(explainer):
                self._shared_passes(work, subject, [explainer], again)
            self._method(work, subject, explainer, again)
            for unit in self._superpixels(explainer, subject.dataset):
                work[unit] += again

    def _superpixels(self, item: object, dataset: str) -> set[Unit]:
        segmenter = segmenter_of(item)
        if segmenter is None:
            return set()
        return {self._unit("superpixels", repr(segmenter), dataset, segmenter)}

    def _pass(self, what: Literal["forward", "backward"], subject: Subject) -> Unit:
        spec = self._benchmark.model_spec(*subject)
        size = self._datasets[subject.dataset].input_size
        return Unit(what, spec.architecture, size, self._benchmark.batch_size, spec)

    def _unit(self, what: What, name: str, dataset: str, subject: object = None) -> Unit:
        per_part = what in {"masks", "scores"}
        batch = self._benchmark.shard_size if per_part else self._benchmark.batch_size
        size = self._datasets[dataset].input_size
        return Unit(what, name, size, batch, name if subject is None else subject)

    def _loading(self, dataset: str) -> Unit:
        return self._unit("loading", dataset, dataset, self._datasets[dataset])

    def _pixels(self, dataset: str) -> int:
        height, width = self._datasets[dataset].input_size
        return height * width


_Kind = tuple[str, str, tuple[tuple[str, bool, tuple[str, ...]], ...]]
"""Data set, model, and per explainer: whether it is to be run, and the metrics to be scored."""


def _kinds(shards: Iterable[Shard]) -> dict[_Kind, list[Shard]]:
    """Return shards by what they ask for."""
    kinds: dict[_Kind, list[Shard]] = {}
    for shard in shards:
        tasks = tuple(
            (task.explainer, task.stored_parts is None, tuple(name for name, _ in task.metrics))
            for task in shard.tasks
        )
        kinds.setdefault((shard.dataset, shard.model, tasks), []).append(shard)
    return kinds
