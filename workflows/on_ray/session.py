"""The connection to Ray: a cluster of this machine alone, or a running one."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray._private import parameter
from ray.exceptions import AuthenticationError

from ..engine.address import check_listener, no_answer
from ..engine.resources import Resources
from ..errors import UserError
from .failures import last_line
from .reaper import reaped
from .seclusion import private_folder
from .watch import watched

log = logging.getLogger(__name__)


WARM = {"preload_python_modules": ["swagflow.on_ray.warm"]}
"""Of Ray's own settings: what workers import before they are asked for."""
LITTLE = {
    "dashboard_agent_listen_port": 0,
    "no_monitor": True,
    "include_log_monitor": False,
}
"""Of a node's own settings, those that `ray.init` does not pass on.

Its agent listens wherever there is room: where another Ray of the machine has the usual port, a
start takes 4 s more. One machine has no use for a process that asks for others, nor for one that
sends the driver its workers' logs.
"""


@contextmanager
def session(
    resources: Resources, on_loss: Callable[[str], None] | None = None, **options: Any
) -> Iterator[None]:
    """Keep Ray connected inside the block, by `options` of `ray.init`; where it is, leave it so.

    Args:
        resources: say which cluster.
        on_loss: is called from another thread, with the reason, if the cluster goes away; None:
            Ray ends the process, a minute later.
        options: beside those that follow from `resources`.

    Raises:
        UserError: there is no cluster at the address.
    """
    if ray.is_initialized():
        log.info("Ray is connected already")
        yield
        return
    _connect(resources, options)
    with _none_left(resources):
        try:
            with watched(on_loss):
                yield
        finally:
            ray.shutdown()
            log.info("disconnected from Ray")


@contextmanager
def _none_left(resources: Resources) -> Iterator[None]:
    """Leave no process of a Ray of this machine's own, however this one ends."""
    if resources.address is not None:
        yield
        return
    folder = ray._private.worker._global_node.get_session_dir_path()
    with reaped(folder, str(Path(ray.__file__).parent)):
        yield


def _connect(resources: Resources, chosen: dict[str, Any]) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {
        "logging_level": logging.ERROR,
        "configure_logging": True,
        "log_to_driver": False,  # see logs.py
    }
    if resources.address is None:
        options |= {
            "address": "local",
            "include_dashboard": False,
            "num_cpus": max((resources.num_workers or 1) * resources.threads, 1),
            "object_store_memory": 100 * 2**20,
            "_temp_dir": private_folder(),
        }
    else:
        check_listener(resources.address)
        options["address"] = resources.address
    try:
        with _sigterm_kept(), _little_beside_workers():
            ray.init(**{**options, **chosen})
    except (ConnectionError, ValueError, AuthenticationError) as error:
        raise UserError(no_answer(resources.address, error)) from error
    except Exception as error:
        if type(error) is not Exception:  # a Ray that does not come up has no class of its own
            raise
        raise UserError(
            f"Ray did not start ({last_line(error)}); the same command goes on from what is "
            "stored, and with --workers 0 it needs no Ray"
        ) from error
    log.info(
        "connected to Ray at %s: %s", resources.address or "this machine", ray.cluster_resources()
    )


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Undo Ray's way of ending a driver, which tells nothing and leaves with another exit code."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _little_beside_workers() -> Iterator[None]:
    """Let `ray.init` start a node by `LITTLE`, as far as this Ray knows it."""
    known = parameter.RayParams
    accepted = inspect.signature(known).parameters
    options = {name: value for name, value in LITTLE.items() if name in accepted}
    parameter.RayParams = partial(known, **options)
    try:
        yield
    finally:
        parameter.RayParams = known


def gpus_of_node() -> float:
    """Return how many GPUs Ray counts on this machine; 0 outside of Ray."""
    if not ray.is_initialized():
        return 0.0
    own = ray.get_runtime_context().get_node_id()
    held = [node["Resources"].get("GPU", 0.0) for node in ray.nodes() if node["NodeID"] == own]
    return float(sum(held))
