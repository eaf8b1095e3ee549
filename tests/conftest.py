"""Settings that all tests share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
