"""A benchmark computed, and its report drawn, until both hold what was stored."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from rich.console import Console

from ..config.benchmark import Benchmark
from ..engine.compute import compute
from ..engine.opening import open_benchmark
from ..engine.resources import Resources
from ..engine.work import Dispatcher, InProcess
from ..errors import StorageError
from ..on_ray.dispatcher import OnRay
from ..on_ray.seclusion import seclude
from ..store.run_folder import Store
from .drawing import draw, forget_damaged

MOST_REPAIRS = 2


def run_all(
    benchmark: Benchmark,
    uri: str,
    dispatcher: Dispatcher,
    console: Console,
    *,
    retry_errors: bool = False,
    compacted: bool = True,
) -> Store:
    """Compute what a run folder lacks, then draw its report; return the folder, read once.

    Args:
        retry_errors: compute rows again that have an error.
        compacted: see `engine.compute.compute`.

    Raises:
        UserError: the benchmark cannot be computed, or the folder is of another one.
        StorageError: what is stored does not come back.
    """
    store = Store(uri)
    opened = open_benchmark(benchmark)
    for note in opened.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    for repair in range(MOST_REPAIRS + 1):
        compute(
            opened,
            store,
            dispatcher,
            console,
            retry_errors=retry_errors and not repair,
            compacted=compacted,
        )
        settled, written = draw(store, opened.datasets.get, anew=False)
        if written:
            console.print(f"{len(written)} files written.", highlight=False)
        if not store.damaged:
            return settled
        forget_damaged(store, console)
    raise StorageError(
        f"the run folder {uri!r} gives back other bytes than were written, again and again; "
        "look at its storage"
    )


def dispatcher_for(
    resources: Resources, on_loss: Callable[[str], None] | None = None
) -> Dispatcher:
    """Return what hands work to so many workers.

    Args:
        on_loss: see `on_ray.session.session`; None in a process that is its user's, where Ray's
            settings are left alone as well.
    """
    if resources.num_workers == 0:
        return InProcess(resources)
    if resources.address is None and on_loss is not None:
        seclude()
    if find_spec("ray") is None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")
    return OnRay(resources, on_loss)
