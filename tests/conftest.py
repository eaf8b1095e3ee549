"""Settings that all tests share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings
from matplotlib.figure import Figure

if TYPE_CHECKING:  # tests of `swag` need less than what these are made of
    from swagflow.store.run_folder import Store
    from tests.support.runs import Runner

# Ray's workers would give way to whatever else is tested at the same time.
os.environ.setdefault("RAY_worker_niceness", "0")

# Thousands of tests and all that they import are looked through at each collection of garbage, a
# tenth of the time, unless they are set aside once all are there.
gc.disable()

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.default_generator.manual_seed(0)  # `torch.manual_seed` notes for each GPU who called it


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Make Ctrl-C reach the tests, and what they start, where a shell has switched it off."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def quick_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the drawing of figures to its own tests."""

    def write_page(store: Store, **_: object) -> list[str]:
        store.write_bytes("report.html", b"<html></html>")
        return ["report.html"]

    monkeypatch.setattr("swagflow.page.build_report", write_page)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write reports whose figures are empty: drawing takes most of the time of a small one."""
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **_: file.write(b"<svg></svg>"))
    monkeypatch.setattr("swagflow.report.painters.num_cores", lambda: 1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One Ray on this machine for a file's tests that run their driver in this process."""
    from swagflow.engine.resources import choose_resources  # noqa: PLC0415
    from swagflow.on_ray.session import session  # noqa: PLC0415

    with session(choose_resources(2)):
        yield


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Return runs of a small benchmark in a folder of the test."""
    from tests.support.runs import Runner  # noqa: PLC0415

    return Runner(tmp_path)
