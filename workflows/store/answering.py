"""A file of a storage of which pieces are read; what the storage answers is no damage."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class Answering(io.RawIOBase):
    """A file whose errors are those of its storage, where pyarrow raises an OSError for all.

    Args:
        stream: pyarrow's.
        answering: what makes an error of the storage one that says so.
    """

    def __init__(self, stream: Any, answering: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._stream = stream
        self._answering = answering

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with self._answering():
            return bytes(self._stream.read(None if size < 0 else size))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())
