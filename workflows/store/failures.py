"""What went wrong in a run folder: rows with an error, and how they are made to be tried again.

    failures/KEY.txt

A row's error is one line and ends with the name of the file that tells the rest, which is written
once, where the failure was met first.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .. import __version__
from ..errors import StorageError
from .compaction import Compactor
from .described import Described
from .files import Folder
from .parquet import num_errors
from .parts import CellName, Part
from .reading import ERROR_COLUMNS as COLUMNS
from .reading import NO_ERROR, with_errors
from .run_folder import Store
from .tracebacks import Failure, writable

FOLDER = "failures"
MAX_BYTES = 2**16
SHOWN_FILES, SHOWN_BYTES = 20, 2**13
"""In a report."""

log = logging.getLogger(__name__)


class FailureFiles:
    """Writes the failures of one run folder, each once.

    Args:
        folder: the run folder.
        where: what the work is done on, in words.
    """

    def __init__(self, folder: Folder, where: str) -> None:
        self._folder = folder
        self._where = where
        self._known: set[str] = set()

    def keep(self, failure: Failure, befell: Mapping[str, str]) -> str:
        """Write a failure down where it is the first of its kind; return its rows' error.

        Args:
            befell: what it spoilt: names of a data set, a model and so on by what they are.
        """
        path = f"{FOLDER}/{failure.key}.txt"
        spoilt = ", ".join(f"{kind} {name}" for kind, name in befell.items())
        if failure.key in self._known:
            log.debug("%s: %s; see %s", spoilt, failure.line, path)
            return f"{failure.line} [{path}]"
        try:
            if not self._folder.exists(path):
                self._folder.write(path, self._page(failure, befell).encode())
        except StorageError as error:
            log.warning("%s: %s; %s is not written: %s", spoilt, failure.line, path, error)
            return failure.line
        self._known.add(failure.key)
        log.warning("%s: %s; see %s", spoilt, failure.line, path)
        return f"{failure.line} [{path}]"

    def _page(self, failure: Failure, befell: Mapping[str, str]) -> str:
        import torch  # noqa: PLC0415 - whoever meets failures has it, whoever reads them need not

        versions = f"swagflow {__version__}, torch {torch.__version__}"
        about = {
            **befell,
            "time": datetime.now(UTC).isoformat(" ", "seconds"),
            "versions": f"{versions}, Python {platform.python_version()}",
            "machine": f"{platform.node()}: {self._where}",
        }
        lines = [f"{kind + ':':<10} {name}" for kind, name in about.items()]
        page = "\n".join([failure.line, "", "Met first with", *lines, "", failure.text])
        return _cut(writable(page), MAX_BYTES)


def failure_texts(folder: Folder) -> dict[str, str]:
    """Return the files of failures by name: some of them, each cut to what a page can show."""
    paths = [path for path in folder.list(FOLDER) if path.endswith(".txt")][:SHOWN_FILES]
    contents = folder.map(folder.read, paths)
    return {
        path: _cut(content.decode("utf-8", "replace"), SHOWN_BYTES)
        for path, content in zip(paths, contents, strict=True)
    }


class ReadOnce(Store):
    """A run folder that nobody writes rows to any more; what has an error is read once and kept."""

    def __init__(self, store: Store) -> None:
        self.uri = store.uri
        self.folder = store.folder
        self.damaged = store.damaged
        self._errors: dict[str, pa.Table] = {}
        self._roar: pd.DataFrame | None = None

    def score_cells(self, metric: str) -> Iterator[tuple[CellName, pa.Table]]:
        found = [NO_ERROR]
        for name, table in super().score_cells(metric):
            found.append(with_errors(name, table))
            yield name, table
        self._errors[metric] = pa.concat_tables(found)

    def error_rows(self, metric: str) -> pa.Table:
        if metric not in self._errors:
            self._errors[metric] = super().error_rows(metric)
        return self._errors[metric]

    def read_roar(self) -> pd.DataFrame:
        if self._roar is None:
            self._roar = super().read_roar()
        return self._roar


def failed_rows(store: Store) -> pd.DataFrame:
    """Return the score rows and retraining jobs that have an error, with what they belong to.

    Of parts without an error only the footers are read.
    """
    frames = []
    for metric in store.metrics():
        frames.append(store.error_rows(metric).to_pandas().assign(metric=metric))
    jobs = store.read_roar()
    if len(jobs):
        failed = jobs[jobs["error"].notna()]
        names = [
            f"model {repeat} without {f:.0%}"
            for repeat, f in zip(failed["repeat"], failed["removed_fraction"], strict=True)
        ]
        frames.append(failed.assign(image_id=names, metric="roar")[[*COLUMNS, "metric"]])
    return pd.concat(frames) if frames else pd.DataFrame(columns=[*COLUMNS, "metric"])


def forget_errors(store: Store, described: Described | None = None) -> None:
    """Delete the shards and retraining jobs that have an error, so that they are planned again.

    Args:
        described: says how large shards are; None: a part is one.
    """
    paths = store.row_files()

    def has_error(path: str) -> bool:
        with store.folder.source(path) as source:
            return num_errors(pq.ParquetFile(source).metadata) > 0

    bad = store.folder.map(has_error, paths)
    spoilt = [path for path, is_bad in zip(paths, bad, strict=True) if is_bad]
    parts = {path: Part.of(path) for path in spoilt}
    for part in parts.values():
        if described and part and part.num_rows > described.shard_size:
            Compactor(store, described).take_out_errors(part)
            spoilt.remove(part.path)
    store.folder.delete_all(spoilt)
    store.folder.delete_all(store.folder.list(FOLDER))  # no row is left that names one
    log.info("%s: %d files have errors, which are to be made anew", store.uri, len(parts))


def _cut(text: str, num_bytes: int) -> str:
    """Return a text without its middle where it is too long: its ends tell most."""
    content = text.encode()
    if len(content) <= num_bytes:
        return text
    half = num_bytes // 2 - 32
    head, tail = (end.decode("utf-8", "ignore") for end in (content[:half], content[-half:]))
    return f"{head}\n[{len(content) - 2 * half} bytes left out]\n{tail}"
