"""Whether a report shows what its run folder holds, told by names of files and by no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .. import __version__
from .parts import CellName, Part
from .run_folder import BENCHMARK, Store

DRAWN = ".drawn"
"""Holds the key of the rows that the report shows."""


def rows_key(store: Store) -> str:
    """Return what changes with a run folder's rows, its description or this package's version.

    A file of rows is named by its images and by the hash of all that made it. Into how many files
    rows are divided does not count.
    """
    names = sorted([*_spans(store.parts()), *store.roar_parts()])
    digest = hashlib.sha256("\n".join([__version__, *names, ""]).encode())
    digest.update(store.folder.find(BENCHMARK) or b"")
    return digest.hexdigest()


def _spans(parts: Iterable[Part]) -> list[str]:
    """Return the names that parts would have, were those that follow each other one."""
    spans: dict[tuple[CellName, str], list[list[int]]] = {}
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        own = spans.setdefault((part.cell, part.key), [])
        if own and part.first <= own[-1][1] + 1:
            own[-1][1] = max(own[-1][1], part.last)
        else:
            own.append([part.first, part.last])
    return [name.part(key, *span) for (name, key), own in spans.items() for span in own]


def is_drawn(store: Store, key: str) -> bool:
    """Return whether the report is there and shows the rows of a key."""
    return store.folder.find(DRAWN) == key.encode() and store.folder.exists("report.html")


def forget_drawn(store: Store) -> None:
    """Take note that the report is about to be written, and shows no rows until it is marked."""
    store.folder.file(DRAWN).remove()


def mark_drawn(store: Store, key: str) -> None:
    """Take note that the report shows the rows that had a key when it was begun."""
    store.folder.write(DRAWN, key.encode())
