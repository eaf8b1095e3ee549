"""Ends what a Ray of this machine's own leaves behind when its driver was killed.

Two agents of Ray wait a minute for their raylet, which is gone. Run as a program, this waits for
its parent's end and then kills them; it imports nothing else, so that it costs next to nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_SECONDS = 2.0
"""What ends by itself may do so."""
TRIES = 5
_PROCESSES = Path("/proc")


@contextlib.contextmanager
def reaped(session_folder: str, ray_folder: str) -> Iterator[None]:
    """Have processes of a session of Ray killed if this process dies inside the block.

    Without effect where processes cannot be looked up.
    """
    if sys.platform != "linux":
        yield
        return
    program = [sys.executable, "-I", "-S", __file__, session_folder, ray_folder]
    nobody = subprocess.DEVNULL
    with subprocess.Popen(  # noqa: S603 - of this file
        program, stdin=subprocess.PIPE, stdout=nobody, stderr=nobody
    ) as process:
        try:
            yield
        finally:
            process.kill()


def left_of(session_folder: str, ray_folder: str) -> list[int]:
    """Return the process ids of a session's processes.

    They are Ray's by their command lines, and name the session there or hold a file of it open.
    """
    found = []
    for place in _PROCESSES.iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            words = (place / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            is_rays = words[0].startswith("ray::") or any(ray_folder in word for word in words)
            if is_rays and (_names(words, session_folder) or _holds(place, session_folder)):
                found.append(int(place.name))
        except OSError:  # it has just ended, or is somebody else's
            continue
    return found


def _names(words: list[str], session_folder: str) -> bool:
    return any(session_folder in word for word in words)


def _holds(place: Path, session_folder: str) -> bool:
    return any(
        str(file.readlink()).startswith(f"{session_folder}/") for file in (place / "fd").iterdir()
    )


def main(session_folder: str, ray_folder: str) -> None:
    """Wait until the standard input, which a parent holds, is closed; then kill what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the driver decides what they end
    sys.stdin.buffer.read()
    for _ in range(TRIES):
        time.sleep(GRACE_SECONDS)
        left = left_of(session_folder, ray_folder)
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        if not left:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
