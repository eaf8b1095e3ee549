"""The command `swagflow report`: tables, figures and report.html from what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ..errors import UserError
from .missing import say_damaged

if TYPE_CHECKING:
    from ..data import Dataset

EXAMPLE = "Example: swagflow report runs/full-benchmark"


def report(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    images: Annotated[
        int | None,
        typer.Option(
            help="How many images of each data set and model have pictures in the browser of "
            "images; 12 without it, or fewer so that all make up 48. Where they are more than a "
            "page should hold, they lie in pictures/ beside it.",
            min=1,
        ),
    ] = None,
) -> None:
    """Write tables, figures and report.html again from what is stored; needs no model."""
    raise typer.Exit(write_report(run, Console(), num_pictured=images))


def without_classes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a described object as a configuration has them."""
    return {
        key: without_classes(value) if isinstance(value, dict) else value
        for key, value in fields.items()
        if key != "class"
    }


def write_report(uri: str, console: Console, num_pictured: int | None = None) -> int:
    """Write tables, figures and report.html from the store; return the exit code."""
    from ..front.drawing import draw
    from ..page.browser_pictures import FOLDER
    from ..report.known import DATA
    from ..store.run_folder import Store

    store = Store(uri)
    described = store.read_benchmark()

    def open_dataset(name: str) -> Dataset | None:
        fields = described.datasets.get(name, {})
        if "module" in fields:
            return None  # of another package; no code that a run folder names is imported
        found = [known for known, kind in DATA.items() if kind == fields.get("class")]
        if not found:
            return None
        from ..config.load import datasets_of  # and so PyTorch, which tables do without

        try:
            entries = {name: {**without_classes(fields), "type": found[0]}}
            return datasets_of(entries)[name].open()
        except UserError:
            return None  # the report does without pictures where the data is not at hand

    _, written = draw(store, open_dataset, anew=True, num_pictured=num_pictured)
    single = [path for path in written if not path.startswith(f"{FOLDER}/")]
    if pictures := len(written) - len(single):
        console.print(f"{uri.rstrip('/')}/{FOLDER}/ ({pictures:,} pictures)", soft_wrap=True)
    for path in single:
        console.print(f"{uri.rstrip('/')}/{path}", soft_wrap=True, highlight=False)
    return say_damaged(store, console)
