"""Who gets which piece of work, on a simulated cluster."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import dispatch
from benchmarks.dispatch import SIMULATED_SECONDS, Simulation, Sleeper, simulation
from swagflow.engine.plan import Shard
from swagflow.engine.resources import Resources
from swagflow.on_ray.runner import OnRay
from swagflow.store.parts import Subject


def seconds_of(num_pieces: int, starts: list[float], monkeypatch: pytest.MonkeyPatch) -> float:
    """Return when the last piece ends on workers that are ready at those times."""
    ready = iter(starts)
    monkeypatch.setattr(dispatch.Ready, "remote", lambda self: self.simulation.promise(next(ready)))
    cluster = Simulation(len(starts))
    shards = [Shard(Subject("data", "model"), first, ("image",), ()) for first in range(num_pieces)]
    nobody: Any = None
    with simulation(cluster):
        reports = list(OnRay().reports(Sleeper, (nobody, "0"), shards, Resources(len(starts))))
    assert sorted(report.shard.first for report in reports) == list(range(num_pieces))
    return cluster.now


def test_the_first_worker_does_not_take_what_the_second_can_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert seconds_of(2, [0.0, 1.0], monkeypatch) < 1.1 * SIMULATED_SECONDS


@pytest.mark.parametrize("num_pieces", [1, 2, 3, 7, 64, 65])
def test_workers_end_within_a_piece_of_each_other(
    monkeypatch: pytest.MonkeyPatch, num_pieces: int
) -> None:
    took = seconds_of(num_pieces, [0.0, 0.0, 30.0, 50.0], monkeypatch)
    # A piece takes up to twice as long as the shortest.
    assert took <= (num_pieces / 4 + 1) * 2 * SIMULATED_SECONDS + 50


def test_a_worker_that_never_gets_a_place_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert seconds_of(9, [0.0, float("inf")], monkeypatch) < 9 * 2 * SIMULATED_SECONDS
