"""Runs that end with their test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import chaos


@pytest.fixture
def started() -> Iterator[list[chaos.Run]]:
    """Runs of a test, whose processes end with it."""
    runs: list[chaos.Run] = []
    yield runs
    for run in runs:
        run.end()
