"""Runs that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import chaos, s3_server
from tests.support.runs import FEW_IMAGES, Runner


@pytest.fixture
def started() -> Iterator[list[chaos.Run]]:
    """Runs of a test, whose processes end with it."""
    runs: list[chaos.Run] = []
    yield runs
    for run in runs:
        run.end()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A run of few images in a folder, which a run in an object store must equal."""
    runner = Runner(tmp_path_factory.mktemp("local"))
    assert runner(FEW_IMAGES) == 0
    return runner


@pytest.fixture
def remote(tmp_path: Path) -> Runner:
    """Runs in a folder of the stand-in for S3."""
    runner = Runner(tmp_path)
    runner.uri = f"s3://{s3_server.BUCKET}/{tmp_path.name}/run"
    return runner
