"""The gallery: figures of a run folder, its tables, and its report as it is.

`make docs` computes the run; SWAGFLOW_EXAMPLE names the folder of another.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "shown"
"""What of the run is on the site: the folder `example` in it."""


def run_folder() -> Path:
    """Return the run that is shown.

    Raises:
        FileNotFoundError: it has no report.
    """
    folder = ROOT / os.environ.get("SWAGFLOW_EXAMPLE", "build/example")
    if not (folder / "report.html").is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} has no report.html to show; 'make docs' computes one, or give the "
            "run folder of another by SWAGFLOW_EXAMPLE"
        )
    return folder


def figures(folder: Path) -> list[Path]:
    """Return the pictures of a run."""
    return sorted((folder / "figures").glob("*.png"))


def copied() -> Path:
    """Copy what is shown to where the site takes it from, and return that folder."""
    folder, copy = run_folder(), COPY / "example"
    shutil.rmtree(COPY, ignore_errors=True)
    copy.mkdir(parents=True)
    for path in (folder / "report.html", *figures(folder)):
        shutil.copy(path, copy)
    return COPY


def text() -> str:
    """Return the gallery: a link to the report, each figure, each table."""
    folder = run_folder()
    lines = ['<a href="../example/report.html">The whole report</a>, as a run writes it.', ""]
    for path in figures(folder):
        lines += [f'<img src="../example/{path.name}" alt="{path.stem}">', ""]
    for path in sorted((folder / "tables").glob("*.csv")):
        lines += [f"**{path.stem}**", "", table(pd.read_csv(path)), ""]
    return "\n".join(lines)


def table(frame: pd.DataFrame) -> str:
    """Return rows as a table of Markdown, numbers to four significant digits."""
    head = [_cell(name) for name in frame.columns]
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None else str(value).replace("|", "\\|")
