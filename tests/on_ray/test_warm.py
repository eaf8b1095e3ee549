"""A Ray of this machine's own, started quickly: what its workers import, and where it listens."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import ray
from ray._private import parameter
from ray._private.ray_constants import (
    DEFAULT_DASHBOARD_AGENT_LISTEN_PORT,
    PROCESS_TYPE_LOG_MONITOR,
    PROCESS_TYPE_MONITOR,
    PROCESS_TYPE_RAYLET,
)

from swagflow.engine.resources import Resources
from swagflow.on_ray import session as on_ray_session
from swagflow.on_ray.dispatcher import OnRay
from swagflow.on_ray.environment import of_worker
from swagflow.on_ray.session import WARM


@pytest.mark.parametrize(
    ("resources", "warms"),
    [
        (Resources(2), True),
        (Resources(2, threads=2), False),
        (Resources(2, device="cuda"), False),
        (Resources(2, address="10.0.0.1:6379"), False),
    ],
)
def test_only_workers_of_one_thread_on_this_machine_are_warmed(
    monkeypatch: pytest.MonkeyPatch, resources: Resources, *, warms: bool
) -> None:
    seen: list[dict[str, object]] = []

    @contextmanager
    def session(*_: object, **options: object) -> Iterator[None]:
        seen.append(options)
        yield

    monkeypatch.setattr(on_ray_session, "session", session)
    with OnRay(resources).connected():
        pass
    assert seen == [{"_system_config": WARM} if warms else {}]


def state() -> tuple[bool, dict[str, str | None]]:
    """Return whether a process has imported `warm`, and its environment."""
    environment = {name: os.environ.get(name) for name in of_worker(1)}
    return "swagflow.on_ray.warm" in sys.modules, environment


@pytest.fixture(scope="module")
def connected() -> Iterator[None]:
    with OnRay(Resources(1)).connected():
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("connected")
def test_a_worker_has_imported_what_it_needs_with_one_thread() -> None:
    assert ray.get(ray.remote(state).remote()) == (True, of_worker(1))


@pytest.mark.slow
@pytest.mark.usefixtures("connected")
def test_a_node_waits_for_no_port_and_starts_nothing_that_nobody_needs() -> None:
    node = ray._private.worker._global_node
    assert node.dashboard_agent_listen_port not in {0, DEFAULT_DASHBOARD_AGENT_LISTEN_PORT}
    assert not {PROCESS_TYPE_MONITOR, PROCESS_TYPE_LOG_MONITOR} & set(node.all_processes)
    assert PROCESS_TYPE_RAYLET in node.all_processes
    assert isinstance(parameter.RayParams, type), "Ray is as it was"
