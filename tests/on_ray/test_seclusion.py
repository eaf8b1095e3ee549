"""What is set before Ray is imported, and where its own Ray writes."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from swagflow.errors import UserError
from swagflow.on_ray import seclusion

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no users as POSIX has them")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Ray is not imported, and nothing is said about it."""
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    monkeypatch.setattr(os, "environ", kept)
    return kept


def test_a_ray_of_its_own_listens_here_and_to_a_token(environment: dict[str, str]) -> None:
    seclusion.seclude()
    token = environment.pop("RAY_AUTH_TOKEN")
    assert len(bytes.fromhex(token)) == 32
    assert {n: v for n, v in environment.items() if n.startswith("RAY_")} == seclusion.SETTINGS
    environment.clear()
    seclusion.seclude()
    assert environment["RAY_AUTH_TOKEN"] != token


def test_what_the_environment_says_stands(environment: dict[str, str]) -> None:
    environment["RAY_AUTH_MODE"] = "disabled"
    seclusion.seclude()
    assert environment["RAY_AUTH_MODE"] == "disabled"
    assert "RAY_AUTH_TOKEN" not in environment


def test_an_imported_ray_is_left_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", sys)
    seclusion.seclude()
    assert not [name for name in environment if name.startswith("RAY_")]


@pytest.mark.usefixtures("environment")
def test_its_folder_is_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seclusion, "TEMPORARY", tmp_path)
    mine = tmp_path / f"swagflow-{os.getuid()}"
    for _ in range(2):
        assert seclusion.private_folder() == str(mine / "ray")
        assert stat.S_IMODE(mine.stat().st_mode) == 0o700
        mine.chmod(0o777)


@pytest.mark.usefixtures("environment")
def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seclusion, "TEMPORARY", tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"swagflow-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"is not a folder of yours.*set RAY_TMPDIR"):
        seclusion.private_folder()


def test_a_folder_chosen_by_its_user_stands(environment: dict[str, str]) -> None:
    environment["RAY_TMPDIR"] = "/elsewhere"
    assert seclusion.private_folder() is None
