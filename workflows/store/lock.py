"""One driver at a time in a folder of results, wherever that is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import lock_descriptor
from rich.console import Console

from ..errors import UserError
from .files import Folder
from .lease import LOCK, leased


@contextmanager
def one_driver(folder: Folder, uri: str, console: Console) -> Iterator[None]:
    """Keep a second driver out of a folder inside the block.

    Args:
        folder: where results are written.
        uri: how the user calls it.
        console: told what is waited for.

    Raises:
        UserError: another driver is at work in it.
    """

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    with ExitStack() as held:
        if not (folder.is_local and _locked_by_system(folder, uri, held)):
            held.enter_context(leased(folder.file(LOCK), uri, say))
        yield


def _locked_by_system(folder: Folder, uri: str, held: ExitStack) -> bool:
    """Lock a local folder until the process ends; return whether its filesystem can do that."""
    place = Path(folder.root)
    with folder.answering():
        place.mkdir(parents=True, exist_ok=True)
        lock = held.enter_context((place / LOCK).open("a"))
    try:
        locked = lock_descriptor(lock.fileno(), blocking=False)
    except OSError:  # as on shared filesystems of clusters that are mounted without locks
        return False
    if not locked:
        raise UserError(
            f"another run is at work in {uri!r}; wait for it or choose another --run-dir"
        )
    return True
