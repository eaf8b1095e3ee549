"""Files of a run folder, local or in an object store: listing, reading, atomic writing."""

from __future__ import annotations

import os
import posixpath
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from ..confidential import holds_secret
from ..errors import StorageError, UserError
from .answering import Answering
from .clients import opened
from .cures import cure_of

T = TypeVar("T")
TEMPORARY = ".tmp-"
READERS = 64
"""Files read at a time: in an object store each costs two round trips and little else."""
READ_IN_TURN = 32
"""Local files that a thread reads before another has its turn, which costs more than a file."""
SMALL_BYTES = 2**24


@dataclass(frozen=True)
class Folder:
    """A folder of a filesystem; paths given to its methods are relative and use '/'."""

    filesystem: fs.FileSystem
    root: str
    marker: str = ""
    """A file without which a local folder is gone: nothing is written to it then."""

    @classmethod
    def at(cls, uri: str) -> Folder:
        """Return the folder of a local path, a pyarrow URI (s3://, gs://, ...) or an fsspec URI.

        Credentials come from the environment, and so does the endpoint of an S3 service other than
        Amazon's (AWS_ENDPOINT_URL).

        Raises:
            UserError: no filesystem is known for the URI, or it holds a password.
        """
        if "://" not in uri:
            return cls(fs.LocalFileSystem(), str(Path(uri).absolute()))
        if holds_secret(uri):
            raise UserError(
                "the address of a folder holds a password, key or token, which logs would repeat; "
                "give credentials by environment variables or a role instead"
            )
        try:
            urlsplit(uri)
        except ValueError as error:
            raise UserError(f"{uri!r} is not an address of a folder: {error}") from error
        if " " in uri or not uri.isprintable():
            raise UserError(f"{uri!r} is not an address of a folder: it has blanks in it")
        return cls(*opened(uri, READERS))

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def path(self, relative: str) -> str:
        return posixpath.join(self.root, relative) if relative else self.root

    def list(self, relative: str = "") -> list[str]:
        """Return the relative paths of all files below, sorted; none where there is no folder."""
        entries = self.entries(relative, recursive=True)
        return sorted(name for name, info in entries.items() if info.type == fs.FileType.File)

    def entries(self, relative: str = "", *, recursive: bool = False) -> dict[str, fs.FileInfo]:
        """Return what a folder holds by relative path; nothing where there is no folder."""
        # pyarrow lists no folder of Google's that only its files imply.
        everything = recursive or isinstance(self.filesystem, fs.GcsFileSystem)
        selector = fs.FileSelector(self.path(relative), recursive=everything, allow_not_found=True)
        prefix = len(self.root.rstrip("/")) + 1
        with self.answering():
            self._forget_listings()
            infos = self.filesystem.get_file_info(selector)
        found = {info.path[prefix:].rstrip("/"): info for info in infos}
        return found if recursive or not everything else _direct(found, relative)

    def exists(self, relative: str) -> bool:
        with self.answering():
            self._forget_listings()
            info = self.filesystem.get_file_info(self.path(relative))
        return bool(info.type != fs.FileType.NotFound)

    def find(self, relative: str) -> bytes | None:
        """Return the content of a file, None where there is none."""
        with self.answering():
            try:
                return _get(self.filesystem, self.path(relative))
            except FileNotFoundError:
                return None

    def read(self, relative: str) -> bytes:
        with self.answering():
            return _get(self.filesystem, self.path(relative))

    def map(
        self, function: Callable[[str], T], relatives: Iterable[str], *, at_once: int = READERS
    ) -> Iterator[T]:
        """Yield what a function returns for each file, in their order; several run at a time."""
        size = READ_IN_TURN if self.is_local and at_once == READERS else 1

        def each(own: tuple[str, ...]) -> list[T]:
            return [function(relative) for relative in own]

        with ThreadPoolExecutor(at_once) as pool:
            ahead: deque[Future[list[T]]] = deque()
            for own in _batches(relatives, size):
                ahead.append(pool.submit(each, own))
                if len(ahead) >= at_once:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()

    @contextmanager
    def source(self, relative: str) -> Iterator[Any]:
        """Open a file of rows to read pieces of it; a small one is read at once."""
        if isinstance(self.filesystem, fs.PyFileSystem):
            yield pa.BufferReader(self.read(relative))
            return
        with self.opened(relative) as stream:
            if stream.size() <= SMALL_BYTES:
                yield pa.BufferReader(stream.read())
            else:
                yield Answering(stream, self.answering)

    @contextmanager
    def opened(self, relative: str) -> Iterator[pa.NativeFile]:
        """Open a file of which only some bytes are wanted."""
        with self.answering(), self.filesystem.open_input_file(self.path(relative)) as stream:
            yield stream

    def write(self, relative: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file so that it appears complete or not at all.

        Locally: a temporary file in the same folder, fsync, rename, fsync of the folder. Elsewhere:
        one upload, which object stores make visible at its end.
        """
        path = self.path(relative)
        with self.answering():
            if self.is_local:
                self._require_marker()
                try:
                    _replace(Path(path), content)
                except FileNotFoundError:
                    self._require_marker()
                    raise
            else:
                _uninterrupted(lambda: _put(self.filesystem, path, content))

    def _require_marker(self) -> None:
        if self.marker and not self.exists(self.marker):
            raise StorageError(
                f"the folder {self.root!r} was taken away while it was written to: it has no "
                f"{self.marker} any more; put it back, and the same command goes on from there"
            )

    def file(self, relative: str) -> StoredFile:
        return StoredFile(self, relative)

    def delete(self, relative: str) -> None:
        with self.answering():
            self.filesystem.delete_file(self.path(relative))

    def delete_all(self, relatives: Iterable[str]) -> None:
        for _ in self.map(self.delete, relatives):
            pass

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Make what its storage answers inside the block a StorageError with a cure."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            # Google's client repeats its whole message behind this word.
            answer = str(error).partition(" error_info=")[0]
            cure = cure_of(self.filesystem.type_name, answer)
            raise StorageError(
                f"the storage of {self.root!r} answered: {answer}; {cure}; "
                "what was finished is stored, and the same command goes on from there"
            ) from error

    def _forget_listings(self) -> None:
        """Make fsspec look again; it keeps listings that other processes' writes outdate."""
        if isinstance(self.filesystem, fs.PyFileSystem):
            self.filesystem.handler.fs.invalidate_cache()

    def remove_temporaries(self) -> None:
        """Delete what writers left that were killed; only local ones leave anything."""
        if not self.is_local:
            return
        for relative in self.list():
            if posixpath.basename(relative).startswith(TEMPORARY):
                self.delete(relative)


@dataclass(frozen=True)
class StoredFile:
    """One file of a folder, there or not."""

    folder: Folder
    relative: str

    def read(self) -> bytes | None:
        return self.folder.find(self.relative)

    def write(self, content: bytes) -> None:
        self.folder.write(self.relative, content)

    def remove(self) -> None:
        if self.folder.exists(self.relative):
            self.folder.delete(self.relative)


def _direct(entries: Mapping[str, fs.FileInfo], folder: str) -> dict[str, fs.FileInfo]:
    """Return what of a folder's whole content is directly in it, with the folders implied."""
    start = len(folder) + 1 if folder else 0
    found: dict[str, fs.FileInfo] = {}
    for name, info in entries.items():
        first, _, rest = name[start:].partition("/")
        own = name[:start] + first
        found[own] = fs.FileInfo(own, fs.FileType.Directory) if rest else info
    return found


def _batches(relatives: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Return them by so many; `itertools.batched` came with Python 3.12."""
    left = iter(relatives)
    return iter(lambda: tuple(islice(left, size)), ())


def _replace(path: Path, content: bytes | pa.Buffer) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _get(filesystem: fs.FileSystem, path: str) -> bytes:
    if isinstance(filesystem, fs.PyFileSystem):
        return bytes(filesystem.handler.fs.cat_file(path))
    with filesystem.open_input_file(path) as stream:
        return bytes(stream.read())


def _put(filesystem: fs.FileSystem, path: str, content: bytes | pa.Buffer) -> None:
    if not isinstance(filesystem, fs.PyFileSystem):
        with filesystem.open_output_stream(path) as stream:
            stream.write(content)
        return
    foreign = filesystem.handler.fs
    try:
        foreign.pipe_file(path, bytes(content))
    except FileNotFoundError:  # a filesystem whose folders have to be made
        foreign.makedirs(posixpath.dirname(path), exist_ok=True)
        foreign.pipe_file(path, bytes(content))


def _uninterrupted(put: Callable[[], None]) -> None:
    """Do it in a thread, where Ctrl-C is not raised.

    An exception between opening and writing would close the stream and so store an empty file.
    """
    with ThreadPoolExecutor(1) as pool:
        pool.submit(put).result()
