"""A context that is entered beside other things."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from swagflow.engine.resources import Resources
from swagflow.errors import UserError
from swagflow.on_ray import session as on_ray_session
from swagflow.on_ray.beginning import Beginning
from swagflow.on_ray.dispatcher import OnRay
from swagflow.on_ray.session import WARM


class Noted:
    """A context that notes by which thread it was entered and left."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()

    @contextmanager
    def __call__(self, *_: object, **options: object) -> Iterator[None]:
        self.gate.wait()
        self.options = options
        self.threads.add(threading.get_ident())
        self.told.append("entered")
        yield
        self.threads.add(threading.get_ident())
        self.told.append("left")


def test_it_is_entered_and_left_by_one_other_thread() -> None:
    noted = Noted()
    begun = Beginning(noted)
    assert noted.told == []  # whoever began it went on
    noted.gate.set()
    begun.wait()
    assert noted.told == ["entered"]
    begun.end()
    assert noted.told == ["entered", "left"]
    assert len(noted.threads) == 1
    assert threading.get_ident() not in noted.threads


def test_its_error_is_raised_where_it_is_needed() -> None:
    @contextmanager
    def failing() -> Iterator[None]:
        raise UserError("no Ray today")
        yield

    begun = Beginning(failing)
    with pytest.raises(UserError, match="no Ray today"):
        begun.wait()
    begun.end()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Noted:
    noted = Noted()
    noted.gate.set()
    monkeypatch.setattr(on_ray_session, "session", noted)
    return noted


def test_a_run_uses_what_was_begun_and_later_begins_anew(session: Noted) -> None:
    dispatcher = OnRay(Resources(2))
    with dispatcher.early():
        with dispatcher.connected():
            assert session.told == ["entered"]
        assert session.told == ["entered", "left"]
        with dispatcher.connected():
            assert session.told == ["entered", "left", "entered"]
    assert session.told == ["entered", "left"] * 2


def test_a_run_with_nothing_to_do_leaves_no_ray(session: Noted) -> None:
    with OnRay(Resources(2)).early():
        pass
    assert session.told == ["entered", "left"]


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
    session: Noted, resources: Resources, *, warms: bool
) -> None:
    with OnRay(resources).connected():
        assert session.options == ({"_system_config": WARM} if warms else {})
