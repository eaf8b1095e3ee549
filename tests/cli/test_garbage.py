"""When Python looks for no garbage."""

from __future__ import annotations

import gc
import sys

import pytest

from swagflow.cli.garbage import importing, uncollected


def test_it_is_looked_for_again_after_the_block_however_it_ends() -> None:
    seen: list[bool] = []

    def fail() -> None:
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError), uncollected():
        fail()
    assert [*seen, gc.isenabled()] == [False, True]


def test_it_stays_off_where_it_was() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_a_first_import_leaves_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[None] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(None))
    with importing("sys"):
        pass
    assert not frozen
    assert "swagflow.nowhere" not in sys.modules
    with importing("swagflow.nowhere"):
        pass
    assert len(frozen) == 1
