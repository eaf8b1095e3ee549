"""Tables as files: CSV and JSON for programs, Markdown and LaTeX for what people write."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any, Literal

import pandas as pd

from .names import Labels
from .tables import Table, cell_text, csv_of
from .views import table_view
from .wording import MetricText

Format = Literal["csv", "json", "markdown", "latex"]
ENDINGS: Mapping[Format, str] = {"csv": "csv", "json": "json", "markdown": "md", "latex": "tex"}
MOST_PRINTED = 2_000
"""Rows: longer tables are written for programs only, since nobody prints them."""
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\u2009": r"\,",
    "\u2013": "--",
    "\u2212": "$-$",
    "\n": " ",
}


@dataclass(frozen=True)
class Grid:
    """Methods against columns, as a page shows them."""

    head: Sequence[Sequence[Mapping[str, Any]]]
    """Levels of the head, each of texts with the number of columns that they span."""
    groups: Sequence[tuple[str | None, Sequence[tuple[str, Sequence[Mapping[str, Any]]]]]]
    """Title, and rows of a method's name and its cells: `mean` and `interval` as text, `best`."""
    num_columns: int


@dataclass(frozen=True)
class Sheet:
    """A table by the name of its files."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    grid: Grid | None = None
    """How it is printed; None: row by row."""

    def files(self) -> dict[str, bytes]:
        """Return its files by their paths in a run folder."""
        kinds = [
            kind for kind in ENDINGS if len(self.rows) <= MOST_PRINTED or kind in _FOR_PROGRAMS
        ]
        return {f"tables/{self.name}.{ENDINGS[kind]}": self.encoded(kind) for kind in kinds}

    def encoded(self, kind: Format, *, intervals: bool = True) -> bytes:
        """Return it in a format; `intervals` says whether a printed grid has them."""
        return _WRITERS[kind](self, intervals)

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame([list(row) for row in self.rows], columns=list(self.header))


def sheet_of(name: str, kind: type, items: Iterable[Any]) -> Sheet:
    """Return objects of one dataclass, a row each."""
    return Sheet(name, [field.name for field in fields(kind)], [astuple(item) for item in items])


def table_sheet(name: str, table: Table, text: MetricText, labels: Labels) -> Sheet:
    """Return a table of methods against columns."""
    view = table_view(table, text, labels)
    groups = [
        (group["title"], [(labels.method(row["method"]), row["cells"]) for row in group["rows"]])
        for group in view["groups"]
    ]
    found = sheet_of(name, type(table.cells[0]), table.cells)
    return Sheet(name, found.header, found.rows, Grid(view["head"], groups, view["columns"]))


def _csv(sheet: Sheet, _intervals: bool) -> bytes:
    return csv_of(sheet.header, sheet.rows)


def _json(sheet: Sheet, _intervals: bool) -> bytes:
    """Return a list of objects with every digit; null where a number does not exist."""
    rows = [dict(zip(sheet.header, map(_plain, row), strict=True)) for row in sheet.rows]
    return (json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _plain(value: object) -> object:
    """Return a value as JSON has it, which knows neither NaN nor infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _markdown(sheet: Sheet, intervals: bool) -> bytes:
    if sheet.grid is None:
        head, rows = list(sheet.header), [[_md(cell_text(v)) for v in row] for row in sheet.rows]
    else:
        head = ["Method", *(", ".join(names) for names in _column_names(sheet.grid))]
        rows = [
            [_md(method), *(_md_cell(cell, intervals) for cell in cells)]
            for _, members in sheet.grid.groups
            for method, cells in members
        ]
    numeric = _numeric(sheet)
    rule = ["---:" if right else "---" for right in numeric]
    lines = [[_md(name) for name in head], rule, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).encode()


def _md(text: str) -> str:
    for sign in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())


def _md_cell(cell: Mapping[str, Any], intervals: bool) -> str:
    if cell["mean"] is None:
        return ""
    mean = f"**{cell['mean']}**" if cell["best"] else str(cell["mean"])
    return f"{mean} ({cell['interval']})" if intervals and cell["interval"] else mean


def _latex(sheet: Sheet, intervals: bool) -> bytes:
    columns = "".join("r" if right else "l" for right in _numeric(sheet))
    body = _latex_rows(sheet) if sheet.grid is None else _latex_grid(sheet.grid, intervals)
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return ("\n".join(lines) + "\n").encode()


def _latex_rows(sheet: Sheet) -> list[str]:
    rows = [[latex(cell_text(value)) for value in row] for row in sheet.rows]
    return [_line([latex(name) for name in sheet.header]), r"\midrule", *map(_line, rows)]


def _latex_grid(grid: Grid, intervals: bool) -> list[str]:
    lines = []
    for depth, level in enumerate(grid.head, 1):
        last = depth == len(grid.head)
        first = 2
        rules = []
        cells = ["Method" if last else ""]
        for cell in level:
            text, span = latex(cell["text"]), cell["span"]
            cells.append(text if last and span == 1 else rf"\multicolumn{{{span}}}{{c}}{{{text}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
            first += span
        lines += [_line(cells), *([] if last else ["".join(rules)])]
    for title, members in grid.groups:
        lines.append(r"\midrule")
        if title:
            lines.append(
                rf"\multicolumn{{{grid.num_columns + 1}}}{{l}}{{\emph{{{latex(title)}}}}} \\"
            )
        for method, row in members:
            lines.append(_line([latex(method), *(_latex_cell(each, intervals) for each in row)]))
    return lines


def _line(cells: Sequence[str]) -> str:
    # After the end of a line, "[" and "*" would be read as its options.
    guard = "{}" if cells[0].startswith(("[", "*")) else ""
    return guard + " & ".join(cells) + r" \\"


def _latex_cell(cell: Mapping[str, Any], intervals: bool) -> str:
    if cell["mean"] is None:
        return "--"
    mean = latex(cell["mean"])
    mean = rf"\textbf{{{mean}}}" if cell["best"] else mean
    if not intervals or not cell["interval"]:
        return mean
    return rf"{mean} {{\scriptsize {latex(cell['interval'])}}}"


def latex(text: str) -> str:
    """Return text in which LaTeX sees no command."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _column_names(grid: Grid) -> list[list[str]]:
    levels = [[cell["text"] for cell in level for _ in range(cell["span"])] for level in grid.head]
    return [list(names) for names in zip(*levels, strict=True)]


def _numeric(sheet: Sheet) -> list[bool]:
    """Tell which columns hold numbers, which stand to the right."""
    if sheet.grid is not None:
        return [False, *[True] * sheet.grid.num_columns]
    columns: list[tuple[object, ...]] = list(zip(*sheet.rows, strict=True))
    columns = columns or [() for _ in sheet.header]
    first = [next((value for value in column if value is not None), "") for column in columns]
    return [isinstance(value, int | float) and not isinstance(value, bool) for value in first]


_FOR_PROGRAMS = ("csv", "json")
_WRITERS: Mapping[Format, Callable[[Sheet, bool], bytes]] = {
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
    "latex": _latex,
}
