"""Run folders as large as a paper's, with made-up numbers; `benchmarks.reading` reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from swag.catalog import EXPLAINERS
from swag.metrics import Deletion
from swag.rng import generator
from swagflow.config.identity import describe
from swagflow.engine.plan import cell_of
from swagflow.store.described import Described
from swagflow.store.experiments import Experiment
from swagflow.store.files import Folder
from swagflow.store.parquet import encoded
from swagflow.store.parts import Cell, CellName
from swagflow.store.run_folder import Store

DATASET = "pictures"
CLASSES = 1000
POINTS = 29
"""Of a curve."""
RIGHT = 0.7
"""Share of the images that a model gives their label."""

Write = Callable[[str, pa.Buffer], object]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much a made run folder holds."""

    images: int
    explainers: int
    metrics: int
    models: int
    shard_size: int
    mask_side: int = 0
    """Of square masks; 0: there are none."""

    @property
    def rows(self) -> int:
        return self.images * self.explainers * self.metrics * self.models


def described_run(size: Size) -> Described:
    """Return the description of a run of the catalogue's first methods."""
    explainers = list(EXPLAINERS)[: size.explainers]
    metrics = {f"deletion_{number}": Deletion() for number in range(size.metrics)}
    models = [f"model_{number}" for number in range(size.models)]
    return Described(
        name="made",
        datasets={DATASET: {"class": "Made"}},
        models={name: {"class": "ModelSpec"} for name in models},
        explainers={
            name: {**describe(EXPLAINERS[name]), "kind": EXPLAINERS[name].kind}
            for name in explainers
        },
        metrics={
            name: {**describe(metric), "higher_is_better": metric.higher_is_better}
            for name, metric in metrics.items()
        },
        experiments={
            name: Experiment(explainers=tuple(explainers), metric=name) for name in metrics
        },
        subjects={f"{DATASET}/{name}": {"model": {"class": "ModelSpec"}} for name in models},
        num_images={DATASET: size.images},
        shard_size=size.shard_size,
    )


def make(uri: str, size: Size, processes: int = 1) -> int:
    """Write a whole run folder; return how many parts it has."""
    described = described_run(size)
    Store(uri).write_benchmark(described)
    names = [name for subject in described.cases for name in described.wanted(subject)]
    cells = [cell_of(described, name) for name in names if size.mask_side or name.metric]
    jobs = [(uri, size, cell) for cell in cells]
    if processes == 1:
        return sum(map(_write_cell, jobs))
    with get_context("spawn").Pool(processes) as pool:
        return sum(pool.imap_unordered(_write_cell, jobs))


def _write_cell(job: tuple[str, Size, Cell]) -> int:
    uri, size, cell = job
    folder = Folder.at(uri)
    write = _local(Path(folder.root)) if folder.is_local else folder.write
    tables = _masks(size) if cell.name.metric is None else _scores(size, cell.name)
    count = 0
    for first, table in tables:
        content = encoded(table, cell.key)
        write(cell.part(first, first + len(table) - 1), content)
        count += 1
    return count


def _local(root: Path) -> Write:
    """Return what writes files without waiting for the disk."""

    def write(path: str, content: bytes | pa.Buffer) -> None:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    return write


def _ids(size: Size) -> list[str]:
    return [f"n{n * 7919 % CLASSES:08d}/ILSVRC2012_val_{n:08d}.JPEG" for n in range(size.images)]


def _scores(size: Size, name: CellName) -> Iterator[tuple[int, pa.Table]]:
    """Yield tables of a cell of scores, with the position of each one's first image."""
    count = size.images
    answers = generator(0, name.model, "answers")
    label_N = answers.integers(CLASSES, size=count).astype(np.int32)
    right_N = answers.random(count) < RIGHT
    prediction_N = np.where(right_N, label_N, (label_N + 1) % CLASSES).astype(np.int32)
    random = generator(0, "/".join(map(str, name)), "scores")
    curve_NT = np.sort(random.random((count, POINTS), dtype=np.float32))[:, ::-1]
    columns = {
        "image_id": pa.array(_ids(size)),
        "target": pa.array(prediction_N),
        "value": pa.array(curve_NT.astype(np.float64).mean(1) * (0.5 + random.random())),
        "curve": _lists(np.ascontiguousarray(curve_NT)),
        "error": pa.nulls(count, pa.string()),
        "label": pa.array(label_N),
        "prediction": pa.array(prediction_N),
        "probability": pa.array(answers.random(count, dtype=np.float32)),
        "target_probability": pa.array(answers.random(count, dtype=np.float32)),
    }
    table = pa.table(columns)
    for first in range(0, count, size.shard_size):
        yield first, table.slice(first, size.shard_size)


def _masks(size: Size) -> Iterator[tuple[int, pa.Table]]:
    random = generator(0, "", "masks")
    image_ids, side = _ids(size), size.mask_side
    for first in range(0, size.images, size.shard_size):
        own = image_ids[first : first + size.shard_size]
        count = len(own)
        columns = {
            "image_id": pa.array(own),
            "target": pa.array(np.zeros(count, np.int32)),
            "height": pa.array(np.full(count, side, np.int32)),
            "width": pa.array(np.full(count, side, np.int32)),
            "saliency": _lists(random.random((count, side * side), dtype=np.float32)),
            "seconds": pa.array(np.full(count, 0.1, np.float32)),
            "error": pa.nulls(count, pa.string()),
        }
        yield first, pa.table(columns)


def _lists(value_NT: np.ndarray) -> pa.Array:
    count, length = value_NT.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * length)
    return pa.ListArray.from_arrays(offsets, pa.array(value_NT.ravel()))
