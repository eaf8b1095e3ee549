"""What `swagflow run` and `swagflow status` say of rows that are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from ..errors import EXIT_MISSING_ROWS, printable

if TYPE_CHECKING:
    from ..store.run_folder import Store

SHOWN_ERRORS = 20


def say_damaged(store: Store, console: Console) -> int:
    """Name the damaged files that were passed over; return the exit code."""
    for problem in store.damaged.values():
        console.print(f"damaged: {escape(problem)}", soft_wrap=True, highlight=False)
    if store.damaged:
        console.print("'swagflow run' of the same benchmark computes again what they should hold")
    return EXIT_MISSING_ROWS if store.damaged else 0


def say_missing(store: Store, console: Console) -> int:
    """Name the images without a score, each with its reason; return the exit code."""
    from ..store.failures import failed_rows

    failed = failed_rows(store)
    if failed.empty:
        return 0
    images = failed.groupby(["dataset", "image_id", "error"], sort=True).size()
    console.print(f"[bold]{len(failed)} rows are missing[/], because of:")
    for (dataset, image_id, error), count in list(images.items())[:SHOWN_ERRORS]:
        console.print(
            f"  {escape(printable(f'{dataset}/{image_id}: {error}'))} ({count} rows)",
            soft_wrap=True,
            highlight=False,
        )
    if len(images) > SHOWN_ERRORS:
        console.print(f"  and {len(images) - SHOWN_ERRORS} more; 'swagflow report' lists them all")
    return EXIT_MISSING_ROWS
