"""Addresses of clusters: a wrong one is one error, and at once."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from swagflow.engine.address import check_form, check_listener
from swagflow.engine.resources import choose_resources
from swagflow.errors import UserError


@pytest.mark.parametrize("address", ["auto", "10.0.0.1:6379", "head.example:6379", "[::1]:6379"])
def test_what_an_address_may_be(address: str) -> None:
    check_form(address)
    assert choose_resources(2, address).address == address


@pytest.mark.parametrize("address", ["", "head", "10.0.0.1", "10.0.0.1:port", "local", ":6379"])
def test_what_it_may_not_be(address: str) -> None:
    with pytest.raises(UserError, match="wanted HOST:PORT"):
        choose_resources(2, address)


@pytest.mark.parametrize("address", ["http://10.0.0.1:8265", "ray://10.0.0.1:10001"])
def test_from_outside_runs_are_submitted(address: str) -> None:
    with pytest.raises(UserError, match="'swagflow submit' sends a run from elsewhere"):
        choose_resources(2, address)


def test_somebody_must_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    check_listener("auto")  # nothing was started here, which Ray itself says at once
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        check_listener(address)
    note = tmp_path / "ray" / "ray_current_cluster"
    note.parent.mkdir()
    note.write_text(f"{address}\n")
    for gone in (address, "auto"):
        with pytest.raises(UserError, match=f"no Ray cluster answers at '{address}'"):
            check_listener(gone)
    monkeypatch.setenv("RAY_ADDRESS", "no-such-host.invalid:1")
    with pytest.raises(UserError, match="no-such-host"):
        check_listener("auto")
