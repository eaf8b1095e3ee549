"""Where a Ray cluster is: `HOST:PORT` of its head, or `auto` on one of its machines.

Ray's own client tries an address without anybody behind it for minutes and then ends the process,
so it is tried here first.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from ..errors import UserError

CONNECT_SECONDS = 10.0
FORM = re.compile(r"(?P<host>[^\s:/]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")


def check_form(address: str) -> None:
    """Look at an address without trying it.

    Raises:
        UserError: it cannot be that of a head.
    """
    if address == "auto" or FORM.fullmatch(address):
        return
    if "://" in address:
        cure = (
            "a run connects to HOST:PORT, such as 10.0.0.1:6379, from a machine of the cluster; "
            "'swagflow submit' sends a run from elsewhere, to http://HOST:8265"
        )
    else:
        cure = "wanted HOST:PORT, such as 10.0.0.1:6379, or auto on a machine of the cluster"
    raise UserError(f"--address {address!r}: {cure}")


def check_listener(address: str) -> None:
    """Try whether anybody listens at an address.

    Raises:
        UserError: nobody does.
    """
    match = FORM.fullmatch(_started_here() if address == "auto" else address)
    if match is None:
        return
    place = match["host"].strip("[]"), int(match["port"])
    try:
        socket.create_connection(place, timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(no_answer(match[0], error)) from error


def no_answer(address: str | None, reason: object) -> str:
    """Return the message for a cluster that cannot be connected to."""
    return (
        f"no Ray cluster answers at {address!r} ({reason}); start one with 'ray start --head', "
        "give its token (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN) if it asks for one, or leave "
        "--address out to run on this machine"
    )


def no_worker(reason: str) -> str:
    """Return the message for a cluster whose machines cannot begin to work."""
    return (
        f"no worker can start: {reason}; every machine needs this swagflow and the packages that "
        "the benchmark names, which 'swagflow submit' sends along"
    )


def _started_here() -> str:
    """Return what `auto` stands for, as Ray does it; empty where Ray has to say that it is not."""
    if "RAY_ADDRESS" in os.environ:
        return os.environ["RAY_ADDRESS"]
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"  # noqa: S108
    return note.read_text().strip() if note.is_file() else ""
