"""Which cells a benchmark asks for, and which shards of them the store does not hold yet."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Literal

from ..config.identity import key_of
from ..store.described import FLOAT32, PREDICTED, Described
from ..store.parts import KEY_DIGITS, Cell, CellName, Part, Subject, by_cell, pieces
from .tuning_jobs import tuned_model

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

    subject: Subject
    first: int
    image_ids: tuple[str, ...]
    tasks: tuple[Task, ...]
    group: int = 0
    """Which of the groups that the methods were divided into; 0: they were not."""

    @property
    def dataset(self) -> str:
        return self.subject.dataset

    @property
    def model(self) -> str:
        return self.subject.model

    @property
    def name(self) -> str:
        only = f"/{self.tasks[0].explainer}" if len(self.tasks) == 1 else ""
        group = f"/{self.group}" if self.group and not only else ""
        return f"{self.subject}/{self.first}{group}{only}"

    def apart(self) -> tuple[Shard, ...]:
        """Return a shard for each explainer."""
        return tuple(replace(self, tasks=(task,)) for task in self.tasks)

    def groups(self, count: int) -> tuple[Shard, ...]:
        """Return shards for about as many methods each, at most `count`, neighbours together."""
        count = min(count, len(self.tasks))
        edges = [round(place * len(self.tasks) / count) for place in range(count + 1)]
        return tuple(
            replace(self, tasks=self.tasks[first:last], group=number)
            for number, (first, last) in enumerate(pairwise(edges), 1)
        )

    def slices(self, size: int) -> tuple[Shard, ...]:
        """Return shards of at most `size` images that follow each other."""
        return tuple(
            replace(self, first=self.first + begin, image_ids=self.image_ids[begin : begin + size])
            for begin in range(0, len(self.image_ids), size)
        )

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

    @classmethod
    def of(cls, shards: Iterable[Shard], states: Collection[CellState]) -> Plan:
        """Return the plan of some cells, whose missing rows the shards add."""
        outdated = tuple(part.path for state in states for part in state.outdated)
        return cls(tuple(shards), outdated, sum(state.num_wanted for state in states))

    @property
    def num_rows(self) -> int:
        return sum(shard.num_rows for shard in self.shards)


def _first(part: Part) -> int:
    return part.first


@dataclass(frozen=True)
class CellState:
    """What of a cell is wanted and what of it is stored."""

    cell: Cell
    num_wanted: int
    """Images."""
    parts: tuple[Part, ...]
    """Those that count, in order."""
    outdated: tuple[Part, ...]
    """Those of another key, or whose rows others have."""

    @property
    def num_held(self) -> int:
        return self.num_wanted - sum(end - first for first, end in self.missing(self.num_wanted))

    def missing(self, num_images: int) -> list[tuple[int, int]]:
        """Return where its parts leave gaps among so many images: each first, and end exclusive."""
        found, reached = [], 0
        for part in self.parts:
            if part.first > reached:
                found.append((reached, min(part.first, num_images)))
            reached = max(reached, part.last + 1)
        found.append((reached, num_images))
        return [(first, end) for first, end in found if first < end]

    def paths(self, first: int, end: int) -> tuple[str, ...]:
        """Return the parts that have rows from `first` on and before `end`."""
        begin = bisect_right(self.parts, first, key=_first)
        # Those before may be of the same rows, where a compaction was killed; they rarely are.
        while begin and self.parts[begin - 1].last >= first:
            begin -= 1
        return tuple(
            part.path for part in self.parts[begin : bisect_left(self.parts, end, key=_first)]
        )

    @property
    def is_changed(self) -> bool:
        """Whether all that is stored was made in another way."""
        return bool(self.outdated) and not self.parts


def cell_of(described: Described, name: CellName) -> Cell:
    """Return a cell with its key, the hash of all that makes its numbers what they are."""
    about: dict[str, object] = {
        "subject": described.subject(name.subject),
        "explainer": described.explainer(name.explainer, name.model),
        "seed": described.seed,
    }
    if described.target != PREDICTED:
        about["target"] = described.target
    if described.precision != FLOAT32:
        about["precision"] = described.precision
    if layer := described.cam_layer(name):
        about["cam_layer"] = layer
    if name.metric is None:
        return Cell(name, key_of(about))
    about["metric"] = described.metric(name.metric)
    tuned = tuned_model(described, name)
    if tuned:
        about["tuned"] = tuned.key
    return Cell(name, key_of(about), tuned.path if tuned else "")


def cell_states(described: Described, parts: Iterable[Part]) -> dict[CellName, CellState]:
    """Return the masks and scores that a benchmark wants, and what of them is stored."""
    stored = by_cell(parts)
    states = {}
    for subject in described.cases:
        num_images = described.num_images[subject.dataset]
        for name in described.wanted(subject):
            cell = cell_of(described, name)
            found = stored.get(name, [])
            same = [part for part in found if part.key == cell.key[:KEY_DIGITS]]
            kept = [piece.part for piece in pieces(same)]
            paths = {part.path for part in kept}
            rest = [part for part in found if part.path not in paths]
            states[name] = CellState(cell, num_images, tuple(kept), tuple(rest))
    return states


def timing_states(described: Described, parts: Iterable[Part]) -> dict[CellName, CellState]:
    """Return the timings that a benchmark wants, each in one part, and what of them is stored."""
    stored = by_cell(parts)
    states = {}
    for subject in described.cases:
        for name in described.timed(subject):
            cell, num_images = cell_of(described, name), described.num_timed(name)
            path = cell.part(0, num_images - 1)
            kept = tuple(part for part in stored.get(name, []) if part.path == path)
            rest = tuple(part for part in stored.get(name, []) if part.path != path)
            states[name] = CellState(cell, num_images, kept, rest)
    return states


def make_plan(
    described: Described, image_ids: Mapping[str, Sequence[str]], parts: Iterable[Part]
) -> Plan:
    """Return wanted minus stored.

    Args:
        described: with the number of images of every data set.
        image_ids: of each data set, in its order.
        parts: what the store holds.
    """
    states = cell_states(described, parts)
    shards: list[Shard] = []
    for subject in described.cases:
        own = {name: state for name, state in states.items() if name.subject == subject}
        shards += _shards(own, image_ids[subject.dataset], described.shard_size)
    return Plan.of(shards, states.values())


def _shards(
    states: Mapping[CellName, CellState], image_ids: Sequence[str], size: int
) -> list[Shard]:
    """Return shards for all that a subject's cells lack: slices of `size` images at most.

    What cells lack at the same positions shares a shard. Slices are aligned, and divided where
    what one of an explainer's cells lacks begins or ends inside.
    """
    missing = {name: state.missing(len(image_ids)) for name, state in states.items()}
    edges: dict[str, set[int]] = {}
    for name, spans in missing.items():
        edges.setdefault(name.explainer, set()).update(chain.from_iterable(spans))
    ordered = {explainer: sorted(own) for explainer, own in edges.items()}
    todo: dict[tuple[int, int], dict[str, list[CellName]]] = {}
    for name, spans in missing.items():
        for span in spans:
            for piece in _divided(span, ordered[name.explainer], size):
                todo.setdefault(piece, {}).setdefault(name.explainer, []).append(name)
    shards = []
    for (first, end), by_explainer in sorted(todo.items()):
        tasks = []
        for names in by_explainer.values():
            masks = states[names[0].masks]
            # Masks are there for all of a piece or for nothing of it.
            there = None if masks.cell.name in names else masks.paths(first, end)
            tasks.append(_task([states[name] for name in names], masks.cell, there))
        ids = tuple(image_ids[first:end])
        shards.append(Shard(names[0].subject, first, ids, tuple(tasks)))
    return shards


def _divided(span: tuple[int, int], edges: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield the pieces of a span, each without its end, cut at rising edges and aligned slices."""
    first, end = span
    aligned = range(first - first % size + size, end, size)
    inside = edges[bisect_right(edges, first) : bisect_left(edges, end)]
    yield from pairwise(sorted({first, *aligned, *inside, end}))


def _task(todo: Sequence[CellState], masks: Cell, stored_parts: tuple[str, ...] | None) -> Task:
    """Return the task of one explainer's cells."""
    scores = [state.cell for state in todo if state.cell.name.metric is not None]
    return Task(
        explainer=masks.name.explainer,
        explanation=masks,
        stored_parts=stored_parts,
        metrics=tuple((str(cell.name.metric), cell) for cell in scores),
        reason="changed" if any(state.is_changed for state in todo) else "missing",
    )
