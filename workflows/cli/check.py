"""The command `swagflow check`: whether every file of a run folder holds what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..errors import EXIT_MISSING_ROWS

if TYPE_CHECKING:
    from ..store.run_folder import Store

EXAMPLE = "Example: swagflow check runs/full-benchmark"


def check(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    delete: Annotated[
        bool,
        typer.Option("--delete", help="Delete damaged files, so that 'run' computes them again."),
    ] = False,
) -> None:
    """Read every mask, score, training and fine-tuned model of a run and name what is damaged."""
    raise typer.Exit(check_run(run, Console(), delete=delete))


def check_run(uri: str, console: Console, *, delete: bool = False) -> int:
    """Print what is damaged in a run folder; return the exit code."""
    from ..store.compaction import Compactor
    from ..store.run_folder import COPIES, PROVENANCE, Store

    store = Store(uri)
    described = store.read_benchmark()
    checked = 0
    problems: list[str] = []
    for _, problem in store.verify():
        checked += 1
        problems += [problem] if problem else []
    store.read_provenance()
    store.read_copies()
    problems += [store.damaged[name] for name in (PROVENANCE, COPIES) if name in store.damaged]
    models = _tuned_models(store) if described.tuning else {}
    problems += filter(None, models.values())
    for problem in problems:
        console.print(problem, soft_wrap=True, highlight=False, markup=False)
    files = f"{checked:,} files of rows"
    if models:
        files += f" and {len(models):,} of fine-tuned models"
    if not problems:
        console.print(f"{files}, all of them whole.", highlight=False)
        return 0
    cure = "they can be deleted with --delete, and 'swagflow run' computes them again"
    if delete:
        compactor = Compactor(store, described)
        for path in store.damaged:
            compactor.forget(path)
        _forget(store, [path for path, problem in models.items() if problem])
        cure = "what is damaged of rows is deleted, and 'swagflow run' computes them again"
    console.print(f"{files}, {len(problems):,} damaged; {cure}", soft_wrap=True, highlight=False)
    return EXIT_MISSING_ROWS


def _tuned_models(store: Store) -> dict[str, str | None]:
    """Return what is wrong with each stored model, by its path."""
    from ..engine.tuned_models import verify_tuned

    return dict(verify_tuned(store.folder))


def _forget(store: Store, paths: list[str]) -> None:
    from ..engine.tuned_models import forget_tuned

    for path in paths:
        forget_tuned(store.folder, path)
