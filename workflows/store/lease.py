"""One driver at a time in a run folder whose storage has no locks.

Object stores have none, so the driver keeps a small object, `.lock`, and writes it anew every few
seconds. One that stays the same for `STALE_SECONDS` was left by a driver that was killed, and
the next driver takes it over. Clocks of different machines are never compared.

Two drivers that begin within the same second may both believe to have it until one reads what the
other wrote, and a driver that was suspended may wake up beside its successor. That costs double
work and nothing else: results are deterministic, and parts appear whole.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..errors import StorageError, UserError
from .files import StoredFile

LOCK = ".lock"
BEAT_SECONDS = 5.0
STALE_SECONDS = 30.0
POLL_SECONDS = 1.0
SETTLE_SECONDS = 1.0
"""Within it, whoever saw no lock has written one."""

log = logging.getLogger(__name__)


@contextmanager
def leased(file: StoredFile, uri: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a run folder inside the block.

    Args:
        file: the lock.
        uri: the run folder, for messages.
        say: told why it takes long, where it does.

    Raises:
        UserError: another driver is alive.
    """
    lease = _Lease(file)
    lease.take(uri, say)
    ended = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(ended,), name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        lease.give_back()


@dataclass
class _Lease:
    file: StoredFile
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(" ", "seconds"))
    beats: int = 0

    def take(self, uri: str, say: Callable[[str], None]) -> None:
        while True:
            held = self.file.read()
            if held:  # an empty file is what the system locks
                self._outwait(held, uri, say)
            self._beat()
            time.sleep(SETTLE_SECONDS)
            if self._is_mine():
                log.info("%s is locked by this process", uri)
                return
            log.info("another driver was as quick to lock %s", uri)

    def _outwait(self, held: bytes, uri: str, say: Callable[[str], None]) -> None:
        """Return once the lock has not changed for long enough, or is gone."""
        holder = _holder(held)
        say(
            f"{uri} is locked by {holder}. If there is no sign of life from it for "
            f"{STALE_SECONDS:.0f} s, this run takes over."
        )
        deadline = time.monotonic() + STALE_SECONDS
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            now = self.file.read()
            if not now:
                return
            if now != held:
                raise UserError(
                    f"another run is at work in {uri!r}: {holder}; wait for it or stop it, or "
                    "choose another --run-dir"
                )
        log.warning("%s is taken over from %s", uri, holder)

    def keep(self, ended: threading.Event) -> None:
        """Show that this driver lives until the end, or until another has taken its place."""
        while not ended.wait(BEAT_SECONDS):
            with suppress(StorageError):  # the run itself meets what is wrong with the storage
                if not self._is_mine():
                    log.warning("another driver has taken over the run folder of this one")
                    return
                self._beat()

    def give_back(self) -> None:
        with suppress(StorageError):
            if self._is_mine():
                self.file.remove()

    def _beat(self) -> None:
        self.beats += 1
        about = {
            "owner": self.owner,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "began": self.began,
            "beats": self.beats,
        }
        self.file.write(json.dumps(about).encode())

    def _is_mine(self) -> bool:
        held = self.file.read()
        return held is not None and _about(held).get("owner") == self.owner


def _about(held: bytes) -> dict[str, object]:
    try:
        about = json.loads(held)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _holder(held: bytes) -> str:
    about = _about(held)
    if not about:
        return "something that wrote no name"
    return f"process {about.get('process')} on {about.get('host')}, since {about.get('began')}"
