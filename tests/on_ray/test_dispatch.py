"""Who gets which piece of work, on a simulated cluster."""

from __future__ import annotations

from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError

from benchmarks import dispatch
from benchmarks.dispatch import SIMULATED_SECONDS, Simulation, Sleeper, simulation
from swagflow.engine.plan import Shard
from swagflow.engine.resources import Resources
from swagflow.engine.work import Job
from swagflow.on_ray.dispatcher import OnRay
from swagflow.on_ray.failures import failure_of_death
from swagflow.store.parts import Subject


def seconds_of(num_pieces: int, starts: list[float], monkeypatch: pytest.MonkeyPatch) -> float:
    """Return when the last piece ends on workers that are ready at those times."""
    ready = iter(starts)
    monkeypatch.setattr(dispatch.Ready, "remote", lambda self: self.simulation.promise(next(ready)))
    cluster = Simulation(len(starts))
    shards = [Shard(Subject("data", "model"), first, ("image",), ()) for first in range(num_pieces)]
    nobody: Any = None
    with simulation(cluster):
        reports = list(OnRay(Resources(len(starts))).reports(Sleeper, Job(nobody, "0"), shards))
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


def test_what_was_lost_for_want_of_memory_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    get = dispatch.Simulation.get
    lost: list[Any] = []

    def losing(self: Simulation, promise: Any) -> Any:
        if promise.result is not None and len(lost) < 2:
            lost.append(promise)
            raise OutOfMemoryError("the node was low on memory")
        return get(self, promise)

    monkeypatch.setattr(dispatch.Simulation, "get", losing)
    shard = Shard(Subject("data", "model"), 0, ("image",), ())
    nobody: Any = None
    with simulation(Simulation(1)):
        (report,) = OnRay(Resources(1)).reports(Sleeper, Job(nobody, "0"), [shard])
    assert report.shard == shard
    assert len(lost) == 2


def death(process: int) -> RayActorError:
    return RayActorError(
        None,
        f"The actor died.\n\tpid: {process}\nIts worker {process} has died. Worker exit type: "
        "SYSTEM_ERROR Worker exit detail: the process was killed by the OOM killer.",
    )


def test_workers_that_die_alike_are_one_failure() -> None:
    first, second = (failure_of_death(death(number), 3) for number in (17, 1234))
    assert first.key == second.key
    assert first.line == (
        "its worker died 3 times: SYSTEM_ERROR the process was killed by the OOM killer."
    )
    assert "pid: 17" in first.text
    other = failure_of_death(OutOfMemoryError("Task was killed; 3 GB were free"), 3)
    assert other.key != first.key
    assert "3 GB were free" in other.text


def test_a_worker_that_the_memory_monitor_ends_is_told_of_without_what_else_runs_there() -> None:
    told = (
        "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: "
        "192.0.2.{0}, ID: f88{0}) was 8.64GB used / 23.54GB limit (0.366886)\n"
        "OOM kill reason: Memory usage 92{0}B exceeded threshold of 5055B (2.0% of 252B limit)\n"
        "Object store memory usage: [- objects spillable: {0}\n"
        "Top 10 memory users: PID\tMEM(GB)\tCOMMAND\n"
        "2960{0}\t3.97\tpython of-somebody-else --token hunter22\n"
        "Refer to the documentation on how to address the out of memory issue."
    )
    first, second = (failure_of_death(OutOfMemoryError(told.format(n)), 3) for n in (1, 7))
    assert first.key == second.key
    assert first.line == (
        "its worker died 3 times: its machine was short of memory and Ray ended it (out of memory: "
        "fewer --workers leave more to each, --retry-errors tries again)"
    )
    assert "exceeded threshold" in first.text
    assert "somebody" not in first.text
