"""Files of a run folder, local or in an object store: listing, reading, atomic writing."""

from __future__ import annotations

import os
import posixpath
import secrets
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa
from pyarrow import fs

from workflows.errors import UserError

TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Folder:
    """A folder of a filesystem; paths given to its methods are relative and use '/'."""

    filesystem: fs.FileSystem
    root: str

    @classmethod
    def at(cls, uri: str) -> Folder:
        """Return the folder of a local path, a pyarrow URI (s3://, gs://, ...) or an fsspec URI."""
        if "://" not in uri:
            return cls(fs.LocalFileSystem(), str(Path(uri).absolute()))
        try:
            filesystem, root = fs.FileSystem.from_uri(uri)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            filesystem, root = _fsspec(uri)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"the run folder {uri!r} cannot be opened: {error}") from error
        return cls(filesystem, root)

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def path(self, relative: str) -> str:
        return posixpath.join(self.root, relative) if relative else self.root

    def list(self, relative: str = "") -> list[str]:
        """Return the relative paths of all files below, sorted; none where there is no folder."""
        selector = fs.FileSelector(self.path(relative), recursive=True, allow_not_found=True)
        prefix = len(self.root.rstrip("/")) + 1
        infos = self.filesystem.get_file_info(selector)
        return sorted(info.path[prefix:] for info in infos if info.type == fs.FileType.File)

    def exists(self, relative: str) -> bool:
        info = self.filesystem.get_file_info(self.path(relative))
        return bool(info.type != fs.FileType.NotFound)

    def read(self, relative: str) -> bytes:
        with self.filesystem.open_input_file(self.path(relative)) as stream:
            return bytes(stream.read())

    def write(self, relative: str, content: bytes | pa.Buffer) -> None:
        """Write a whole file so that it appears complete or not at all.

        Locally: a temporary file in the same folder, fsync, rename, fsync of the folder. Elsewhere:
        one put, which object stores make visible at its end.
        """
        path = self.path(relative)
        if self.is_local:
            _replace(Path(path), content)
            return
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def file(self, relative: str) -> StoredFile:
        return StoredFile(self, relative)

    def delete(self, relative: str) -> None:
        self.filesystem.delete_file(self.path(relative))

    def remove_temporaries(self) -> None:
        """Delete what writers left that were killed."""
        for relative in self.list():
            if posixpath.basename(relative).startswith(TEMPORARY):
                self.delete(relative)


@dataclass(frozen=True)
class StoredFile:
    """One file of a folder, there or not."""

    folder: Folder
    relative: str

    def read(self) -> bytes | None:
        return self.folder.read(self.relative) if self.folder.exists(self.relative) else None

    def write(self, content: bytes) -> None:
        self.folder.write(self.relative, content)

    def remove(self) -> None:
        if self.folder.exists(self.relative):
            self.folder.delete(self.relative)


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


def _fsspec(uri: str) -> tuple[fs.FileSystem, str]:
    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError, OSError) as error:
        raise UserError(f"the run folder {uri!r} cannot be opened: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root
