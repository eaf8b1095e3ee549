"""What the site's references say is what the code has."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pandas as pd
import pytest
import yaml
from typer.main import get_command

from swag.catalog import EXPLAINERS, METRICS
from swagflow.cli import names
from swagflow.cli.app import app
from swagflow.config.fields import configured
from swagflow.data import DATASETS, Resize
from tests.support.fake_run import make_run
from website import catalogue, commands, configuration, example, hooks
from website.fields import REQUIRED, Row, rows_of, table, takes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """A base."""

    shared: bool = False
    """Of all of them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(Base):
    """A sample."""

    name: str
    way: Literal["a|b", "c"] = "c"
    """Which way,
    in two lines."""
    size: int | tuple[int, int] | None = None
    many: tuple[float, ...] = (0.5, 1.0)
    resize: Resize = Resize()


def test_fields_are_told_in_words_of_yaml() -> None:
    assert rows_of(Sample, {Resize: "How to resize"}) == [
        Row("shared", "`true` or `false`", "false", "Of all of them."),
        Row("name", "text", REQUIRED, ""),
        Row("way", "`a|b`, `c`", "c", "Which way, in two lines."),
        Row("size", "whole number or list of 2: whole number, whole number or `null`", "null", ""),
        Row("many", "list of number", "[0.5, 1.0]", ""),
        Row("resize", "[How to resize](#how-to-resize)", "{}", ""),
    ]
    assert takes(Resize, {}) == "resize"
    assert table([Row("way", "`a|b`", "c", "")]).splitlines()[2] == r"| `way` | `a\|b` | `c` |  |"


DOCUMENTED = [*DATASETS.values(), *configuration.TITLES]


@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_the_defaults_that_are_told_are_the_defaults(kind: type) -> None:
    rows = rows_of(kind, configuration.TITLES)
    assert rows
    blank = {"epochs": 1, "learning_rate": 0.1, "explainers": ()}
    needed = {row.name: blank.get(row.name, "x") for row in rows if row.default == REQUIRED}
    preset = cast(Any, kind)(**needed)
    told = {row.name: yaml.safe_load(row.default) for row in rows if row.default != REQUIRED}
    assert configured(preset, told, "x") == preset


def test_the_configuration_has_a_heading_for_all_that_it_links_to() -> None:
    text = configuration.text()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    linked = set(re.findall(r"\]\(#([\w-]+)\)", text))
    assert linked
    assert linked <= anchors
    assert set(DATASETS) <= set(headings)


def test_the_catalogue_has_every_name_and_class() -> None:
    text = catalogue.text()
    listed = {entry.name for what in ("explainers", "metrics") for entry in names.LISTS[what]()}
    shown = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert {name for name in listed if ":" not in name and name != "stored_maps"} <= shown
    directives = re.findall(r"^\.\. autoclass:: (\S+)$", text, re.MULTILINE)
    assert len(directives) == len(set(directives)) > 40
    assert set(re.findall(r"<([\w.]+)>`", text)) == set(directives)


def test_settings_are_those_that_differ_from_the_class() -> None:
    assert catalogue.settings(EXPLAINERS["rise"]) == {}
    assert catalogue.settings(EXPLAINERS["var_grad"]) == {"statistic": "variance"}
    found = catalogue.settings(EXPLAINERS["lime_ig"])
    assert found["superpixels.num_segments"] == 50
    assert found["superpixels.features"] == "image_gradient"
    assert catalogue.settings(METRICS["morf"]) == {"unit": "Squares"}


def test_commands_are_all_there() -> None:
    text = commands.text()
    headings = set(re.findall(r"^## `swagflow (\w+)`$", text, re.MULTILINE))
    assert headings == set(cast(Any, get_command(app)).commands)
    assert "--task-timeout" in text


def test_a_run_is_shown_and_one_without_report_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    make_run(run, methods=("swag", "random"), num_images=2)
    monkeypatch.setenv("SWAGFLOW_EXAMPLE", str(run))
    monkeypatch.setattr(example, "COPY", tmp_path / "shown")
    with pytest.raises(FileNotFoundError, match=r"has no report\.html to show; 'make docs'"):
        example.copied()
    for name in ("report.html", "figures/one.png", "figures/one.svg", "tables/t.csv"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("method,mean\nswag,0.123456\n")
    copied = example.copied()
    shown = sorted(path.relative_to(copied).as_posix() for path in copied.rglob("*.*"))
    assert shown == ["example/one.png", "example/report.html"]
    text = example.text()
    assert 'src="../example/one.png"' in text
    assert "| swag | 0.1235 |" in text


def test_cells_of_a_table() -> None:
    frame = pd.DataFrame({"a|b": ["x|y", None], "n": [1, 2], "v": [0.5, float("nan")]})
    assert example.table(frame).splitlines() == [
        r"| a\|b | n | v |",
        "| --- | --- | --- |",
        r"| x\|y | 1 | 0.5 |",
        "|  | 2 |  |",
    ]


def test_marks_are_replaced_and_the_first_page_has_the_contents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hooks, "GENERATED", {"gallery": lambda: "FIGURES"})
    sphinx = cast(Any, SimpleNamespace(config=SimpleNamespace(root_doc="README")))
    content = ["# A\n\n<!-- generated: gallery -->\n"]
    hooks.put_in(sphinx, "docs/gallery", content)
    assert content == ["# A\n\nFIGURES\n"]
    hooks.put_in(sphinx, "README", content)
    assert "docs/getting-started" in content[0]


def test_docstrings_become_what_docutils_reads() -> None:
    lines = ["Of `a", "b` and `statistic`s, |x| and ``y``."]
    hooks.as_rst(cast(Any, None), "", "", None, None, lines)
    assert lines == ["Of ``a", r"b`` and ``statistic``\ s, \|x\| and ``y``."]


def test_what_a_page_would_fetch_is_found(tmp_path: Path) -> None:
    (tmp_path / "good.html").write_text('<a href="https://x.org">x</a><script src="_static/a.js">')
    assert hooks.strangers(tmp_path) == []
    (tmp_path / "bad.html").write_text('<link rel="x" href="https://x.org/f.css"><img src="//y/z">')
    assert len(hooks.strangers(tmp_path)) == 2
