"""Where a data set's files are: a folder of this machine, or one in an object store."""

from __future__ import annotations

import errno
import fnmatch
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import total_ordering
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from pyarrow import fs

from ..store.files import READERS, Folder

_ROOT = PurePosixPath()


@dataclass
class _Tree:
    """A remote folder whose listings are asked for once; a data set does not change in a run."""

    uri: str
    folder: Folder
    listings: dict[PurePosixPath, dict[str, fs.FileInfo]] = field(default_factory=dict)
    files: dict[PurePosixPath, fs.FileInfo] = field(default_factory=dict)
    """Those that a listing of everything below a folder has found."""

    def listing(self, relative: PurePosixPath) -> dict[str, fs.FileInfo]:
        """Return what is directly in a folder, by name; nothing where there is none."""
        if relative not in self.listings:
            entries = self.folder.entries("" if relative == _ROOT else str(relative))
            self.listings[relative] = {
                PurePosixPath(name).name: info for name, info in entries.items()
            }
        return self.listings[relative]

    def info(self, relative: PurePosixPath) -> fs.FileInfo | None:
        known = self.files.get(relative)
        return known or self.listing(relative.parent).get(relative.name)


@dataclass(frozen=True)
class Status:
    """What is known of a file without reading it."""

    st_size: int


@total_ordering
class RemotePath:
    """The part of `pathlib.Path` that data sets use, for a file or folder in an object store.

    Methods raise StorageError where the store does not answer.
    """

    def __init__(self, tree: _Tree, relative: PurePosixPath) -> None:
        self._tree = tree
        self._relative = relative
        self.name = relative.name
        self.suffix = relative.suffix

    def __str__(self) -> str:
        return self._tree.uri if self._is_root else f"{self._tree.uri}/{self._relative}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    def __lt__(self, other: RemotePath) -> bool:
        return str(self) < str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(self._tree, self._relative / name)

    @property
    def parent(self) -> RemotePath:
        return RemotePath(self._tree, self._relative.parent)

    def with_suffix(self, suffix: str) -> RemotePath:
        return RemotePath(self._tree, self._relative.with_suffix(suffix))

    @property
    def key(self) -> str:
        """The path from the data set's own folder."""
        return str(self._relative)

    def is_dir(self) -> bool:
        if self._is_root:
            return bool(self._tree.listing(_ROOT))
        info = self._tree.info(self._relative)
        return info is not None and info.type == fs.FileType.Directory

    def exists(self) -> bool:
        return self.is_dir() if self._is_root else self._tree.info(self._relative) is not None

    def iterdir(self) -> Iterator[RemotePath]:
        return (self / name for name in self._tree.listing(self._relative))

    def glob(self, pattern: str) -> Iterator[RemotePath]:
        """Yield what matches; each part of the pattern is about one level."""
        first, _, rest = pattern.partition("/")
        for path in self.iterdir():
            if fnmatch.fnmatchcase(path.name, first):
                yield from path.glob(rest) if rest else (path,)

    def files_below(self) -> Iterator[RemotePath]:
        """Yield every file, however deep, from one listing."""
        entries = self._tree.folder.entries(
            "" if self._is_root else str(self._relative), recursive=True
        )
        for name, info in entries.items():
            if info.type == fs.FileType.File:
                path = PurePosixPath(name)
                self._tree.files[path] = info
                yield RemotePath(self._tree, path)

    def stat(self) -> Status:
        info = None if self._is_root else self._tree.info(self._relative)
        if info is None:
            raise self._missing()
        return Status(int(info.size or 0))

    def read_bytes(self) -> bytes:
        content = self._tree.folder.find(self.key)
        if content is None:
            raise self._missing()
        return content

    def read_text(self) -> str:
        return self.read_bytes().decode()

    @property
    def _is_root(self) -> bool:
        return self._relative == _ROOT

    def _missing(self) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, "No such file", str(self))

    def list_now(self) -> None:
        """Ask for the listing of this folder, so that it is there when it is needed."""
        self._tree.listing(self._relative)


Place: TypeAlias = Path | RemotePath


def place(root: str) -> Place:
    """Return the folder of a data set.

    Args:
        root: a path, or a URI that `Folder.at` takes.
    """
    if "://" not in root:
        return Path(root).expanduser()
    return RemotePath(_Tree(root.rstrip("/"), Folder.at(root)), _ROOT)


def opened(file: Place) -> Path | BinaryIO:
    """Return what libraries take that open files themselves."""
    return file if isinstance(file, Path) else BytesIO(file.read_bytes())


def look_ahead(folders: Iterable[Place]) -> None:
    """List remote folders, several at a time, before their files are looked up one by one."""
    remote = {folder for folder in folders if isinstance(folder, RemotePath)}
    with ThreadPoolExecutor(READERS) as pool:
        for _ in pool.map(RemotePath.list_now, sorted(remote)):
            pass
