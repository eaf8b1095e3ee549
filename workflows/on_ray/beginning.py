"""A context that is entered in a thread, while whoever needs it still does other things."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager


class Beginning:
    """Enters a context at once, in a thread of its own that leaves it too.

    The thread lasts as long as the context, since the kernel ends Ray's processes with the thread
    that started them.
    """

    def __init__(self, enter: Callable[[], AbstractContextManager[None]]) -> None:
        self._enter = enter
        self._is_there = False
        self._settled, self._ended = threading.Event(), threading.Event()
        executor = ThreadPoolExecutor(1, thread_name_prefix="beginning")
        self._future = executor.submit(self._last)
        executor.shutdown(wait=False)

    def _last(self) -> None:
        try:
            with self._enter():
                self._is_there = True
                self._settled.set()
                self._ended.wait()
        finally:
            self._settled.set()

    def wait(self) -> None:
        """Return once the context is entered; raises what entering it has raised."""
        self._settled.wait()
        if not self._is_there:
            self._future.result()

    def end(self) -> None:
        """Return once the context is left, or entering it has failed."""
        self._ended.set()
        self._future.exception()
