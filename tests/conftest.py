"""Settings that all tests share."""

from __future__ import annotations

import signal

import pytest
import torch
from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Make Ctrl-C reach the tests, and what they start, where a shell has switched it off."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
