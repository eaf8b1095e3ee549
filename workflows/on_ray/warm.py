"""What workers of this machine's own Ray import while their run is still being planned.

Ray starts as many processes as it counts cores, before anybody asks for one. They import this
first, so that an actor finds there what otherwise takes seconds. Each has one thread.
"""

from __future__ import annotations

import os

from .environment import of_worker

os.environ.update(of_worker(threads=1))  # before anything is imported that computes

from ..engine import roar, shard_worker  # noqa: F401
from . import actor  # noqa: F401
