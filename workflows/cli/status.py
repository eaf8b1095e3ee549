"""The command `swagflow status`: how far a run is, or how submitted jobs do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..errors import UserError
from .missing import say_damaged, say_missing

if TYPE_CHECKING:
    from ..engine.plan import CellState

EXAMPLE = (
    "Examples: swagflow status runs/full-benchmark, "
    "swagflow status --address http://HEAD:8265 --job swagflow-1 --follow"
)


def status(
    run: Annotated[str | None, typer.Argument(help="Folder or URI of a run.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="The head of a cluster, http://HEAD:8265.")
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", help="A submitted job; all of them where left out.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show the job's log until it ends.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the job.")] = False,
) -> None:
    """Show how far a run is, cell by cell, and what went wrong; or how submitted jobs do."""
    if (run is None) == (address is None):
        raise UserError("status is of a run folder, or of a cluster's jobs: give RUN or --address")
    if run is not None:
        raise typer.Exit(show_status(run, Console()))

    if (follow or stop) and job is None:
        raise UserError("--follow and --stop need --job ID; status --address alone lists the jobs")
    from ..on_ray import jobs

    act = jobs.stop if stop else jobs.follow if follow else jobs.job_status
    raise typer.Exit(act(str(address), job, Console()))  # type: ignore[arg-type]


def show_status(uri: str, console: Console) -> int:
    """Print rows stored and missing per cell; return the exit code of the run."""
    from ..engine.status import status_of
    from ..store.failures import ReadOnce, failed_rows
    from ..store.run_folder import Store

    store = ReadOnce(Store(uri))
    status = status_of(store)
    failed = failed_rows(store)
    errors = failed.groupby(["dataset", "model", "explainer", "metric"]).size()
    table = Table(title=f"{status.described.name} in {uri}")
    for column in ("data set", "model", "explainer", "metric"):
        table.add_column(column)
    for column in ("rows", "missing", "errors"):
        table.add_column(column, justify="right")
    for state in status.cells:
        name, held = state.cell.name, state.num_held
        if name.metric is not None:
            counts = held, state.num_wanted - held, errors.get(tuple(name), 0)
            table.add_row(*name, *map(str, counts))
    console.print(table)
    for state in status.unfinished:
        console.print(_unfinished(state), soft_wrap=True, highlight=False)
    for job in status.missing_tunings:
        text = f"unfinished: {job.subject} is not fine-tuned yet for {job.metric}"
        console.print(text, soft_wrap=True, highlight=False)
    if status.missing_jobs:
        counted = f"{len(status.missing_jobs)} of {len(status.jobs)}"
        console.print(f"unfinished: {counted} trainings of remove and retrain are missing")
    incomplete = int(not status.is_complete)
    return max(say_missing(store, console), say_damaged(store, console), incomplete)


def _unfinished(state: CellState) -> str:
    name, missing = state.cell.name, state.num_wanted - state.num_held
    rows = f"{missing} of {state.num_wanted} images are missing"
    return f"unfinished: {name.subject} {name.explainer} {name.metric or 'masks'}: {rows}"
