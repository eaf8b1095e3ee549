"""Figures drawn by processes of their own, while a report goes on that does not wait for them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import IO, cast

from matplotlib.figure import Figure

from ..cores import num_cores
from .rendering import drawn

MOST = 3
"""Processes; more have nothing to do for long."""

Files = dict[str, bytes]
Process = subprocess.Popen[bytes]


class Painting(Mapping[str, bytes]):
    """A figure's files by their kind, which may still be in the making."""

    def __init__(self, figure: Figure, coming: Future[Files], painters: Painters) -> None:
        self._figure, self._coming, self._painters = figure, coming, painters
        self._files: Files | None = None

    def settle(self) -> Files:
        """Return the files; while a process is about them, draw here what none has begun."""
        if self._files is None and not self.draw_unless_begun():
            self._painters.help_until(self._coming)
            try:
                self._files = self._coming.result()
            except (OSError, EOFError, pickle.UnpicklingError):
                self._files = drawn(self._figure)  # and say what is wrong, if that was the figure
        return cast("Files", self._files)

    def draw_unless_begun(self) -> bool:
        """Draw it here; return False where somebody has begun, or is done."""
        if self._files is not None or not self._coming.cancel():
            return False
        self._files = drawn(self._figure)
        return True

    def __getitem__(self, kind: str) -> bytes:
        return self.settle()[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self.settle())

    def __len__(self) -> int:
        return len(self.settle())


class Painters:
    """Processes that draw, each of them one figure after another; they begin when there is one."""

    def __init__(self, count: int) -> None:
        self._asked: list[Painting] = []
        self._threads = ThreadPoolExecutor(count)
        self.processes: list[Process] = []
        self._idle: SimpleQueue[Process] = SimpleQueue()

    def paint(self, figure: Figure) -> Painting:
        pickled = pickle.dumps(figure)
        asked = Painting(figure, self._threads.submit(self._ask, pickled), self)
        self._asked.append(asked)
        return asked

    def help_until(self, coming: Future[Files]) -> None:
        """Draw what no process has begun, the last first, until this is there."""
        for asked in reversed(self._asked):
            if coming.done():
                return
            asked.draw_unless_begun()

    def _ask(self, pickled: bytes) -> Files:
        try:
            process = self._idle.get_nowait()
        except Empty:
            process = _started()
            self.processes.append(process)
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        stdin.write(pickled)
        stdin.flush()
        files: Files = pickle.load(stdout)  # noqa: S301 - from what this has started
        self._idle.put(process)
        return files

    def end(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self.processes:
            process.kill()
        self._threads.shutdown()
        for process in self.processes:
            process.communicate()


PAINTERS: ContextVar[Painters | None] = ContextVar("painters", default=None)
"""Those that draw what is rendered now; None: nobody else."""


@contextmanager
def painting() -> Iterator[None]:
    """Let other cores draw what the block renders."""
    count = min(num_cores() - 1, MOST)
    if count < 1:
        yield
        return
    painters = Painters(count)
    token = PAINTERS.set(painters)
    try:
        yield
    finally:
        PAINTERS.reset(token)
        painters.end()


def _started() -> Process:
    return subprocess.Popen(  # noqa: S603 - this Python, and a module of this package
        [sys.executable, "-P", "-m", drawn.__module__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
