"""Whether the cluster is still there, asked beside the work."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray

CHECK_SECONDS = 2.0
MAX_MISSES = 3
"""A machine under heavy load may leave one without an answer."""

log = logging.getLogger(__name__)

Place = tuple[str, int]


@contextmanager
def watched(on_loss: Callable[[str], None] | None) -> Iterator[None]:
    """Call `on_loss`, from another thread, once the cluster that Ray is connected to is gone.

    Ray itself tries to reach it for a minute, and then ends the process from within.
    """
    if on_loss is None:
        yield
        return
    ended = threading.Event()
    places = _places()
    thread = threading.Thread(target=_watch, args=(places, on_loss, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _places() -> dict[str, Place]:
    """Return where the processes listen without which no work can be handed out."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    places = {"head": (host.strip("[]"), int(port))}
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            places["raylet"] = (node["NodeManagerAddress"], int(node["NodeManagerPort"]))
    return places


def _watch(
    places: dict[str, Place], on_loss: Callable[[str], None], ended: threading.Event
) -> None:
    misses = dict.fromkeys(places, 0)
    while not ended.wait(CHECK_SECONDS):
        for name, place in places.items():
            misses[name] = 0 if _answers(place) else misses[name] + 1
            if misses[name] == MAX_MISSES:
                log.info("nobody answers at %s:%d any more (%s)", *place, name)
                on_loss(f"its {name} at {place[0]}:{place[1]} does not answer any more")
                return


def _answers(place: Place) -> bool:
    try:
        socket.create_connection(place, timeout=CHECK_SECONDS).close()
    except OSError:
        return False
    return True
