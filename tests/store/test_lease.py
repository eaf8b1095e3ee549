"""One driver at a time in a run folder of an object store."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from swagflow.errors import StorageError, UserError
from swagflow.store import lease
from swagflow.store.files import Folder, StoredFile
from swagflow.store.lease import LOCK, leased
from tests.engine.test_run import assert_second_is_turned_away
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("quick_report")

URI = "memory://lease"
OTHER = json.dumps({"owner": "other", "host": "node-7", "process": 12, "began": "yesterday"})


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.3)
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.0)


@pytest.fixture
def lock() -> Iterator[StoredFile]:
    file = Folder.at(URI).file(LOCK)
    yield file
    file.remove()


def test_it_is_kept_fresh_and_removed(lock: StoredFile) -> None:
    said: list[str] = []
    with leased(lock, URI, said.append):
        first = lock.read()
        assert first is not None
        while lock.read() == first:
            pass
        assert b'"host"' in (lock.read() or b"")
    assert lock.read() is None
    assert said == []


def test_it_is_removed_after_an_error(lock: StoredFile) -> None:
    with pytest.raises(ZeroDivisionError), leased(lock, URI, print):
        raise ZeroDivisionError
    assert lock.read() is None


def test_a_second_driver_is_told_who_is_at_work(
    lock: StoredFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "STALE_SECONDS", 20.0)
    said: list[str] = []
    with leased(lock, URI, said.append), pytest.raises(UserError) as caught:  # noqa: SIM117
        with leased(lock, URI, said.append):
            pass
    assert f"another run is at work in {URI!r}: process " in str(caught.value)
    assert "choose another --run-dir" in str(caught.value)
    assert len(said) == 1


@pytest.mark.parametrize("left", [OTHER, "[]", "\xff"])
def test_what_a_killed_driver_left_is_taken_over(lock: StoredFile, left: str) -> None:
    lock.write(left.encode("latin-1"))
    said: list[str] = []
    with leased(lock, URI, said.append):
        assert b"beats" in (lock.read() or b"")
    holder = "process 12 on node-7, since yesterday" if left == OTHER else "wrote no name"
    assert holder in said[0]
    assert "takes over" in said[0]
    assert lock.read() is None


def test_a_lock_that_is_given_back_is_not_waited_for(
    lock: StoredFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "STALE_SECONDS", 100.0)
    lock.write(OTHER.encode())
    threading.Timer(0.05, lock.remove).start()
    with leased(lock, URI, print):
        pass


def test_of_two_that_begin_together_one_gives_way(lock: StoredFile) -> None:
    mine = lease._Lease(lock)
    other = lease._Lease(lock)
    mine._beat()
    other._beat()
    assert (mine._is_mine(), other._is_mine()) == (False, True)


def test_a_successors_lock_is_left_alone(lock: StoredFile) -> None:
    with leased(lock, URI, print):
        keeper = next(t for t in threading.enumerate() if t.name == "lease")
        while keeper.is_alive():
            lock.write(OTHER.encode())
    assert lock.read() == OTHER.encode()


def test_a_beat_that_fails_is_made_up_for(
    lock: StoredFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = StoredFile.write, list[bytes]()

    def sometimes(self: StoredFile, content: bytes) -> None:
        if threading.current_thread().name == "lease" and len(failures) < 2:
            failures.append(content)
            raise StorageError("the network is down")
        write(self, content)

    monkeypatch.setattr(StoredFile, "write", sometimes)
    with leased(lock, URI, print):
        first = lock.read()
        while lock.read() == first:
            pass
    assert len(failures) == 2


def test_two_runs_in_one_remote_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "STALE_SECONDS", 20.0)
    runner, inner = Runner(tmp_path), Runner(tmp_path)
    runner.uri = inner.uri = "memory://two"
    assert_second_is_turned_away(runner, inner, monkeypatch)
    assert "another run is at work in 'memory://two'" in inner.output
    assert Folder.at("memory://two").find(LOCK) is None
