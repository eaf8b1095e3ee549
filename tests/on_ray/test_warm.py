"""Workers whose processes have imported what they need before they are asked for anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import ray

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


@pytest.mark.slow
def test_a_worker_has_imported_what_it_needs_with_one_thread() -> None:
    with OnRay(Resources(1)).connected():
        assert ray.get(ray.remote(state).remote()) == (True, of_worker(1))
