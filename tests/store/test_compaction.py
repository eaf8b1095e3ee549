"""Compaction keeps every row, wherever it is ended, and nobody sees that it has been."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.made_run import Size, make
from swag.types import Score
from swagflow.cli.compact import compact_run
from swagflow.engine.plan import cell_of
from swagflow.engine.status import status_of
from swagflow.errors import UserError
from swagflow.store import compaction, parquet
from swagflow.store.compaction import Compacted, Compactor, compact
from swagflow.store.failures import failed_rows, forget_errors
from swagflow.store.files import Folder
from swagflow.store.freshness import rows_key
from swagflow.store.lock import one_driver
from swagflow.store.parts import Cell, CellName, Part, Rows, pieces
from swagflow.store.run_folder import Store
from tests.support.runs import Killed, Runner, dies_after, rows_of

SIZE = Size(images=18, explainers=2, metrics=1, models=1, shard_size=4, mask_side=6)
METRIC = "deletion_0"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    make(str(tmp_path), SIZE)
    return Store(str(tmp_path))


def held(store: Store) -> tuple[pd.DataFrame, dict[str, dict[str, bytes]]]:
    """Return all rows of a run folder, as they are read."""
    described = store.read_benchmark()
    maps = {
        name: {
            image_id: saliency_HW.tobytes()
            for image_id, saliency_HW in store.read_explanations(
                "pictures", "model_0", name
            ).items()
        }
        for name in described.explainers
    }
    return store.read_scores(METRIC), maps


def assert_same(
    mine: tuple[pd.DataFrame, dict[str, dict[str, bytes]]],
    other: tuple[pd.DataFrame, dict[str, dict[str, bytes]]],
) -> None:
    pd.testing.assert_frame_equal(mine[0], other[0], check_exact=True)
    assert mine[1] == other[1]
    assert [list(own) for own in mine[1].values()] == [list(own) for own in other[1].values()]


def said(uri: str, **options: Any) -> str:
    stream = io.StringIO()
    compact_run(uri, Console(file=stream, width=200), **options)
    return stream.getvalue()


def test_every_cell_becomes_one_part_with_the_same_rows(store: Store) -> None:
    before, key = held(store), rows_key(store)
    assert len(before[0]) == SIZE.rows
    assert "20 files of rows are 4 now" in said(store.uri)
    assert {(part.first, part.last) for part in store.parts()} == {(0, SIZE.images - 1)}
    assert_same(held(store), before)
    assert rows_key(store) == key, "a report that was drawn shows these rows"
    assert all(problem is None for _, problem in store.verify())
    assert status_of(store).is_complete
    assert "Nothing to compact" in said(store.uri)


def test_scores_alone(store: Store) -> None:
    assert "10 files of rows are 2 now" in said(store.uri, masks=False)


def test_large_parts_have_a_bound_and_row_groups(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(store)
    monkeypatch.setattr(compaction, "PART_BYTES", 1500)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 400)
    compact(store, store.read_benchmark())
    masks = [part for part in store.parts() if part.cell.metric is None]
    assert [(part.first, part.last) for part in masks[:3]] == [(0, 7), (8, 15), (16, 17)]
    assert_same(held(store), before)
    name = masks[0].cell
    cell = cell_of(store.read_benchmark(), name)
    assert store.read_part(cell.part(0, 7), (6, 11)).keys() == set(list(before[1]["centre"])[6:8])


@pytest.mark.parametrize("step", range(12))
def test_it_may_be_killed_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Steps are writes and deletions: 2 cells of 5 parts have 12."""
    make(str(tmp_path), replace(SIZE, explainers=1))
    store = Store(str(tmp_path))
    before = held(store)
    with monkeypatch.context() as patch:
        limited = dies_after(step, lambda act, *arguments: act(*arguments))
        for name in ("write", "delete"):
            act = getattr(Folder, name)
            patch.setattr(Folder, name, lambda *arguments, act=act: limited(act, *arguments))
        patch.setattr(Folder, "map", lambda _, act, paths, at_once=0: map(act, paths))
        with pytest.raises(Killed):
            compact(store, store.read_benchmark())
    assert_same(held(store), before)
    assert status_of(store).is_complete
    compact(store, store.read_benchmark())
    assert_same(held(store), before)
    assert len(store.parts()) == 2


def test_of_parts_that_overlap_every_row_counts_once() -> None:
    name = CellName("d", "m", "e", "x")

    def part(first: int, last: int, key: str = "a") -> Part:
        return Part(name.part(key, first, last), name, key, first, last)

    found = pieces([part(4, 7), part(0, 3), part(0, 9), part(8, 11), part(2, 3, "b")])
    assert [(piece.part.first, piece.part.last, piece.skipped) for piece in found] == [
        (0, 9, 0), (2, 3, 0), (8, 11, 2),
    ]  # fmt: skip
    found = pieces([part(0, 9), part(8, 11), part(10, 11), part(12, 15), part(14, 15)])
    assert [(piece.part.first, piece.skipped) for piece in found] == [(0, 0), (10, 0), (12, 0)]


def test_what_has_an_error_is_tried_again_and_nothing_else(tmp_path: Path) -> None:
    make(str(tmp_path), SIZE)
    store = Store(str(tmp_path))
    described = store.read_benchmark()
    cell = next(
        cell_of(described, name) for name in described.wanted(described.cases[0]) if name.metric
    )
    spoil(store, cell)
    compact(store, described)
    before = store.read_scores(METRIC)
    assert failed_rows(store)["image_id"].tolist() == ["bad"]
    forget_errors(store, described)
    left = store.read_scores(METRIC)
    own = before["explainer"] == cell.name.explainer
    lost = before[own].iloc[4:8]
    assert lost["error"].notna().sum() == 1
    kept = before.drop(index=lost.index).reset_index(drop=True)
    pd.testing.assert_frame_equal(left, kept, check_exact=True, check_dtype=False)
    (state,) = status_of(store).unfinished
    assert (state.cell, state.num_wanted - state.num_held) == (cell, 4)


def spoil(store: Store, cell: Cell) -> None:
    """Store a part anew with an image that has an error, and no column beside."""
    rows = Rows(["a", "bad", "b", "c"], [None, "no memory", None, None], [1, None, 1, 1])
    store.write_scores(cell, (4, 7), rows, Score(torch.ones(3, dtype=torch.float64)))


def test_of_a_damaged_large_part_the_shards_that_can_be_read_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 600)
    before = held(store)
    described = store.read_benchmark()
    compact(store, described)
    path = next(part.path for part in store.parts() if part.cell.metric is None)
    content = bytearray(store.folder.read(path))
    content[200] ^= 1
    store.folder.write(path, bytes(content))
    assert len(store.read_explanations("pictures", "model_0", Part.of(path).cell.explainer)) < 18  # type: ignore[union-attr]
    assert list(store.damaged) == [path]
    Compactor(store, described).forget(path)
    (state,) = status_of(store).unfinished
    assert state.num_wanted - state.num_held == 4, "one shard"
    left = held(store)[1][state.cell.name.explainer]
    whole = before[1][state.cell.name.explainer]
    assert left == {name: whole[name] for name in list(whole)[4:]}
    store.folder.write(path, b"")
    Compactor(store, described).forget(path)
    assert not store.folder.exists(path)


def test_a_damaged_small_part_stays_as_it_is(store: Store) -> None:
    path = next(part.path for part in store.parts() if part.first == 8)
    store.folder.write(path, b"no table")
    assert compact(store, store.read_benchmark()) == Compacted(19, 5)
    assert path in {part.path for part in store.parts()}


def test_another_driver_is_waited_for(store: Store) -> None:
    with (
        one_driver(store.folder, store.uri, Console(quiet=True)),
        pytest.raises(UserError, match="another run is at work"),
    ):
        said(store.uri)


@pytest.mark.usefixtures("quick_report")
def test_a_compacted_run_is_complete_and_grows(tmp_path: Path) -> None:
    images = "datasets.squares.images={}"
    runners = []
    for name in ("compacted", "plain"):
        (tmp_path / name).mkdir()
        runners.append(Runner(tmp_path / name))
        assert runners[-1](images.format(10)) == 0
    mine = runners[0]
    assert "24 files of rows are 8 now" in said(mine.uri)
    assert mine(images.format(10)) == 0
    assert "Nothing to compute" in mine.output
    insertion: dict[str, dict[str, object]] = {"deletion": {}, "insertion": {}}
    for runner in runners:
        assert runner(images.format(18), metrics=insertion) == 0
        assert status_of(Store(runner.uri)).is_complete
    stores = [Store(runner.uri) for runner in runners]
    pd.testing.assert_frame_equal(rows_of(stores[0]), rows_of(stores[1]), check_exact=True)
    insertions = [
        store.read_scores("insertion").sort_values(["explainer", "image_id"])["value"].to_numpy()
        for store in stores
    ]
    np.testing.assert_array_equal(*insertions)
    assert said(mine.uri)
    assert mine(images.format(18), metrics=insertion) == 0
    assert "Nothing to compute" in mine.output


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=12))
def test_rows_of_any_parts_are_there_once(spans: list[tuple[int, int]]) -> None:
    name = CellName("d", "m", "e", "x")
    parts = [Part("", name, "a", first, first + more) for first, more in spans]
    rows = [
        row for part, skipped in pieces(parts) for row in range(part.first + skipped, part.last + 1)
    ]
    assert len(rows) == len(set(rows))
    assert set(rows) == {row for part in parts for row in range(part.first, part.last + 1)}
