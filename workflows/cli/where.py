"""Where a benchmark is run: what the options say, or what this installation can do."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rich.console import Console

from ..errors import UserError

if TYPE_CHECKING:
    from ..engine.resources import Resources


def resources_for(
    workers: int | None,
    address: str | None,
    device: str | None,
    console: Console,
    task_timeout: float | None = None,
) -> Resources:
    """Return the resources for `--workers`, `--address`, `--device` and `--task-timeout`.

    Without Ray, and without a number of workers, it is this process, which gives the same numbers.
    """
    from ..engine.resources import choose_resources

    if workers is None and address is None and find_spec("ray") is None:
        console.print(
            "Ray is not installed, so one process does all the work; for one per GPU or core: "
            "pip install 'swagflow[cluster]'",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
        workers = 0
    return choose_resources(workers, address, device, task_timeout)


def lasting(uri: str) -> str:
    """Return a run folder. Raises UserError where it would end with this process."""
    if uri.startswith("memory:"):
        raise UserError(
            f"--run-dir {uri!r} ends with this command; give a folder or an address such as "
            "s3://BUCKET/run"
        )
    return uri
