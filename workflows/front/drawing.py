"""A report that shows what its run folder holds, and files that do not hold what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from ..store.compaction import Compactor
from ..store.failures import ReadOnce
from ..store.freshness import forget_drawn, is_drawn, mark_drawn, rows_key
from ..store.run_folder import Store

if TYPE_CHECKING:
    from ..page.gallery import OpenDataset


def draw(
    store: Store, open_dataset: OpenDataset, *, anew: bool, num_pictured: int | None = None
) -> tuple[Store, list[str]]:
    """Write the report, unless it shows already what the folder holds.

    What is damaged is passed over and named in `store.damaged`; the report then counts as old.

    Args:
        anew: write it in any case.
        num_pictured: as `swagflow.page.browser.browser_of` has it.

    Returns:
        the run folder with every row read once, and the paths of what was written.
    """
    settled, key = ReadOnce(store), rows_key(store)
    if not anew and is_drawn(store, key):
        look_over(settled)
        return settled, []
    from ..page import build_report  # noqa: PLC0415 - and so Matplotlib, which takes seconds
    from ..report.painters import painting  # noqa: PLC0415 - likewise
    from ..report.source import Run  # noqa: PLC0415 - likewise

    run = Run(settled)
    with painting():
        run.read()
        settled.read_roar()
        if not anew and store.damaged:
            return settled, []
        forget_drawn(store)
        written = build_report(
            settled, open_datasets=open_dataset, run=run, num_pictured=num_pictured
        )
    if not store.damaged:
        mark_drawn(store, key)
    return settled, written


def look_over(store: Store) -> None:
    """Read every score and retraining once, and so find what is damaged."""
    for metric in store.metrics():
        for _ in store.score_cells(metric):
            pass
    store.read_roar()


def forget_damaged(store: Store, console: Console) -> None:
    """Name the damaged files and delete what is damaged of them, so that it is planned again."""
    console.print(f"[bold]{len(store.damaged)} damaged files[/] are computed again:")
    for problem in store.damaged.values():
        console.print(f"  {escape(problem)}", soft_wrap=True, highlight=False)
    compactor = Compactor(store, store.read_benchmark())
    for path in store.damaged:
        compactor.forget(path)
    store.damaged.clear()
