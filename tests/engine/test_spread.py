"""Few shards are shared out by groups of methods, and rows are counted as they are stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swagflow.config.load import resolve
from swagflow.engine.carry_out import PIECES, spread
from swagflow.engine.plan import Shard, make_plan
from swagflow.engine.resources import Resources
from tests.support.benchmarks import described
from tests.support.plugins import Squares
from tests.support.runs import Runner, changed

METHODS = ["swag", "centre", "random", "noise", "sobel", "grad_cam", "vanilla_gradient"]
SUBJECT = {("squares", "toy"): {"dataset": "d", "model": "m"}}


def shards(images: int) -> tuple[Shard, ...]:
    wanted = replace(resolve(changed(explainers=METHODS)), shard_size=4)
    ids = {"squares": Squares(images=images).open().image_ids}
    return make_plan(described(wanted, SUBJECT, {"squares": images}), ids, []).shards


def explainers_of(shard: Shard) -> list[str]:
    return [task.explainer for task in shard.tasks]


@given(st.integers(1, 40), st.integers(1, 9))
def test_every_task_is_done_once_and_names_differ(images: int, workers: int) -> None:
    whole = shards(images)
    pieces = spread(whole, Resources(workers))
    assert len({piece.name for piece in pieces}) == len(pieces)
    for shard in whole:
        parts = [piece for piece in pieces if piece.first == shard.first]
        assert [task for part in parts for task in part.tasks] == list(shard.tasks)
        assert all(part.image_ids == shard.image_ids for part in parts)
        sizes = [len(part.tasks) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    enough = len(pieces) >= PIECES * workers
    assert enough or all(len(piece.tasks) == 1 for piece in pieces)


def test_one_shard_of_a_dozen_pictures_keeps_two_workers_at_work() -> None:
    (shard,) = shards(3)
    pieces = spread((shard,), Resources(2))
    assert [explainers_of(piece) for piece in pieces] == [[name] for name in METHODS]
    few = spread(shards(12), Resources(2))
    assert [piece.name for piece in few[:3]] == [
        "squares/toy/0/1",
        "squares/toy/0/2",
        "squares/toy/0/3",
    ]


@pytest.mark.parametrize("workers", [0, None])
def test_one_process_and_a_cluster_of_unknown_size_take_shards_whole(workers: int | None) -> None:
    whole = shards(3)
    assert spread(whole, Resources(workers)) is whole
    many = shards(64)
    assert spread(many, Resources(4)) is many


@pytest.mark.usefixtures("undrawn")
def test_rows_are_counted_as_they_are_stored(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swagflow.progress.SECONDS_BETWEEN_LINES", 0.0)
    assert runner("datasets.squares.images=4", explainers=["swag", "centre"]) == 0
    told = [line for line in runner.output.splitlines() if " of 16 rows" in line]
    assert [line.partition(":")[2].split()[0] for line in told] == ["4", "8", "12", "16"]
    assert told[0].endswith("(squares/toy: swag)")
    assert told[-1].endswith("(squares/toy: centre)")
