"""Which cells a benchmark asks for, and which shards of them the store does not hold yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..config.benchmark import Benchmark
from ..config.identity import describe, key_of
from ..data import Dataset
from ..store.parts import KEY_DIGITS, Cell, Part

Reason = Literal["missing", "changed"]


@dataclass(frozen=True)
class Task:
    """What one explainer still owes for a shard."""

    explainer: str
    explanation: Cell
    stored_parts: tuple[str, ...] | None
    """Where the saliencies are, if they need not be computed."""
    metrics: tuple[tuple[str, Cell], ...]
    """Metrics to score, by name."""
    reason: Reason


@dataclass(frozen=True)
class Shard:
    """Consecutive images of a data set and all that is to be computed of them with one model."""

    dataset: str
    model: str
    first: int
    image_ids: tuple[str, ...]
    tasks: tuple[Task, ...]

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.model}/{self.first}"

    @property
    def span(self) -> tuple[int, int]:
        return self.first, self.first + len(self.image_ids) - 1

    @property
    def num_rows(self) -> int:
        """Rows that it will add: one per image and cell."""
        cells = sum((task.stored_parts is None) + len(task.metrics) for task in self.tasks)
        return cells * len(self.image_ids)


@dataclass(frozen=True)
class Plan:
    """Shards to compute, in order, and the parts that a changed method or setting has outdated."""

    shards: tuple[Shard, ...]
    outdated: tuple[str, ...]
    num_rows_wanted: int

    @property
    def num_rows(self) -> int:
        return sum(shard.num_rows for shard in self.shards)


def cells_of(
    benchmark: Benchmark, dataset: str, model: str, fingerprints: Mapping[str, object]
) -> dict[tuple[str, str | None], Cell]:
    """Return the cells of a data set and model by (explainer, metric or None for the masks).

    `fingerprints` are what identify the data set and the model beyond their configuration.
    """
    return {
        names: cell_of(benchmark, (dataset, model, *names), fingerprints)
        for names in benchmark.wanted(dataset, model)
    }


def cell_of(
    benchmark: Benchmark,
    names: tuple[str, str, str, str | None],
    fingerprints: Mapping[str, object],
) -> Cell:
    """Return the cell of a data set, model, explainer and metric or None."""
    dataset, model, explainer, metric = names
    about = {
        "subject": fingerprints,
        "explainer": describe(benchmark.explainer(explainer, model)),
        "seed": benchmark.seed,
    }
    if metric is not None:
        about["metric"] = describe({**benchmark.metrics, **benchmark.timings}[metric])
    return Cell(dataset, model, explainer, metric, key_of(about))


def by_cell(parts: Iterable[Part]) -> dict[tuple[str, str, str, str | None], list[Part]]:
    """Return parts by the names of their cell."""
    cells: dict[tuple[str, str, str, str | None], list[Part]] = {}
    for part in parts:
        cells.setdefault(part.cell, []).append(part)
    return cells


def make_plan(
    benchmark: Benchmark,
    datasets: Mapping[str, Dataset],
    subjects: Mapping[tuple[str, str], Mapping[str, object]],
    parts: Iterable[Part],
) -> Plan:
    """Return wanted minus stored.

    Args:
        datasets: the opened data sets by name.
        subjects: what identifies data set and model, by their two names.
        parts: what the store holds.
    """
    stored = by_cell(parts)
    shards: list[Shard] = []
    outdated: list[str] = []
    wanted = 0
    for (dataset, model), subject in subjects.items():
        cells = cells_of(benchmark, dataset, model, subject)
        current: dict[tuple[str, str | None], list[Part]] = {}
        for name, cell in cells.items():
            found = stored.get((dataset, model, *name), [])
            same = [part for part in found if part.key == cell.key[:KEY_DIGITS]]
            current[name] = _without_gaps(same, benchmark.shard_size)
            kept = {part.path for part in current[name]}
            outdated += [part.path for part in found if part.path not in kept]
        image_ids = datasets[dataset].image_ids
        wanted += len(cells) * len(image_ids)
        changed = {
            name for name in cells if stored.get((dataset, model, *name)) and not current[name]
        }
        shards += _shards(benchmark, (dataset, model), image_ids, (cells, current, changed))
    return Plan(tuple(shards), tuple(outdated), wanted)


def _without_gaps(parts: Iterable[Part], shard_size: int) -> list[Part]:
    """Return the parts that fill each aligned slice from its beginning, without gap or overlap.

    A part behind a lost one is computed again together with it.
    """
    kept: list[Part] = []
    reached = 0
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        if part.first == reached or (part.first > reached and part.first % shard_size == 0):
            kept.append(part)
            reached = part.last + 1
    return kept


_Cells = dict[tuple[str, str | None], Cell]
_Stored = dict[tuple[str, str | None], list[Part]]


def _shards(
    benchmark: Benchmark,
    names: tuple[str, str],
    image_ids: Sequence[str],
    state: tuple[_Cells, _Stored, set[tuple[str, str | None]]],
) -> list[Shard]:
    """Return one shard for each aligned slice of the images with something missing.

    A slice that is stored in part, because fewer images were asked for once, gives a shard for each
    different place where its cells go on.
    """
    cells, stored, _ = state
    size = benchmark.shard_size
    by_slice = {name: _by_slice(parts, size) for name, parts in stored.items()}
    owned: dict[str, list[tuple[str, str | None]]] = {}
    for name in cells:
        owned.setdefault(name[0], []).append(name)
    shards = []
    for begin in range(0, len(image_ids), size):
        end = min(begin + size, len(image_ids))
        held = {name: slices.get(begin, []) for name, slices in by_slice.items()}
        reached = {name: max([begin, *(part.last + 1 for part in held[name])]) for name in cells}
        for start in sorted({position for position in reached.values() if position < end}):
            tasks = []
            for explainer in benchmark.explainers:
                todo = [name for name in owned.get(explainer, ()) if reached[name] == start]
                if todo:
                    complete = reached[explainer, None] >= end
                    masks = [part.path for part in held[explainer, None] if part.last >= start]
                    tasks.append(_task(todo, tuple(masks) if complete else None, state))
            shards.append(Shard(*names, start, tuple(image_ids[start:end]), tuple(tasks)))
    return shards


def _by_slice(parts: Iterable[Part], shard_size: int) -> dict[int, list[Part]]:
    """Return the parts of each aligned slice by its first position."""
    found: dict[int, list[Part]] = {}
    for part in parts:
        found.setdefault(part.first - part.first % shard_size, []).append(part)
    return found


def _task(
    todo: Sequence[tuple[str, str | None]],
    stored_parts: tuple[str, ...] | None,
    state: tuple[_Cells, _Stored, set[tuple[str, str | None]]],
) -> Task:
    """Return the task of one explainer's cells."""
    cells, _, changed = state
    explainer = todo[0][0]
    return Task(
        explainer=explainer,
        explanation=cells[explainer, None],
        stored_parts=stored_parts,
        metrics=tuple((metric, cells[name, metric]) for name, metric in todo if metric is not None),
        reason="changed" if changed.intersection(todo) else "missing",
    )
