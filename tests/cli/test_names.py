"""`swagflow list`: what is read from source text is what importing gives."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from swag.adapters.names import LIBRARIES
from swag.catalog import BACKGROUNDS, EXPLAINER_METRICS, EXPLAINERS, FILLINGS, METRICS, SEGMENTERS
from swag.models import model_names
from swag.models.pypi_models import FILES
from swagflow.cli import names
from swagflow.cli.costs import cost_tables
from swagflow.cli.list import list_names, show_list
from swagflow.cli.names import Entry
from swagflow.config.load import load_benchmark
from swagflow.data import DATASETS, MAPS
from swagflow.errors import UserError


def entry_of(name: str, kind: type) -> Entry:
    """Return what is said of a class, from the class itself."""
    first = (kind.__doc__ or "").strip().splitlines()[0]
    role = getattr(kind, "kind", "")
    return Entry(name, f"{role}: {first}" if role else first)


def test_explainers_and_metrics_are_the_catalogs() -> None:
    expected = [entry_of(name, type(item)) for name, item in {**EXPLAINERS, **MAPS}.items()]
    found = names.explainers()
    assert found[: len(expected)] == expected
    libraries = {entry.name for entry in found[len(expected) :]}
    assert libraries - {"lxt:METHOD"} == {
        f"{library}:METHOD" for library in LIBRARIES.keys() - {"lxt"}
    }
    metrics = {**METRICS, **EXPLAINER_METRICS}
    assert names.metrics() == [entry_of(name, type(item)) for name, item in metrics.items()]
    assert any(entry.about.startswith("region: Superpixels weighted") for entry in expected)


@pytest.mark.parametrize("is_there", [False, True])
def test_libraries_are_named_where_they_are_installed(
    is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_is_installed", lambda _: is_there)
    listed = {entry.name for entry in names.explainers() if entry.name.endswith(":METHOD")}
    assert listed == ({f"{library}:METHOD" for library in LIBRARIES} if is_there else set())


def test_parts_are_the_catalogs() -> None:
    tables: dict[str, dict[str, Any]] = {
        "segmenters": SEGMENTERS,
        "fillings": FILLINGS,
        "backgrounds": BACKGROUNDS,
    }
    for title, table in tables.items():
        assert names.LISTS[title]() == [entry_of(name, type(x)) for name, x in table.items()]


def test_data_sets_are_those_that_configurations_can_name() -> None:
    assert names.datasets() == [entry_of(name, kind) for name, kind in DATASETS.items()]


def test_models_are_those_that_can_be_built() -> None:
    listed = [entry.name for entry in names.models()]
    packaged = [f"pypi/{name}" for name in FILES]
    assert listed == [*model_names(), "timm/NAME", "hf/NAME", *packaged]


def test_timms_models_are_named_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    listed = [entry.name for entry in names.models()]
    assert listed == [*model_names(), *(f"pypi/{name}" for name in FILES)]


def test_benchmarks_are_configurations_that_load() -> None:
    listed = [entry.name for entry in names.benchmarks()]
    assert {"full-benchmark", "image-folder", "paper/table1"} <= set(listed)
    assert load_benchmark("full-benchmark").name == "full-benchmark"


@pytest.mark.parametrize("kind", sorted(names.LISTS.keys() - {"benchmarks"}))
def test_plug_ins_of_other_packages_are_listed_without_importing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = names.LISTS[kind]()
    about = tmp_path / "foreign-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        f"[swagflow.{kind}]\nforeign = not_there:THING\n{before[0].name} = not_there:OTHER\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert names.LISTS[kind]() == [*before, Entry("foreign", "plug-in: not_there:THING")]


def test_a_list_is_a_name_a_line() -> None:
    stream = io.StringIO()
    show_list("datasets", Console(file=stream, width=40))
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == list(DATASETS)
    assert "datasets" not in lines


def test_all_lists_have_titles() -> None:
    stream = io.StringIO()
    show_list(None, Console(file=stream, width=200))
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if line in names.LISTS] == list(names.LISTS)


@pytest.mark.parametrize(
    ("text", "error"),
    [("TABLE = {'a': lambda: 1}", TypeError), ("TABLE = {'a': Nowhere()}", NameError)],
)
def test_a_table_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: type[Exception]
) -> None:
    package = tmp_path / "unreadable"
    package.mkdir()
    (package / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(error):
        names._classes("unreadable", "TABLE")


def test_costs_are_those_of_the_catalogue() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=160)
    for table in cost_tables(None):
        console.print(table)
    lines = {line.split()[0]: line.split()[1:] for line in stream.getvalue().splitlines() if line}
    assert lines.keys() >= EXPLAINERS.keys() | METRICS.keys()
    assert lines["rise"] == ["region", "8,000", "0", "1", "+", "0"]
    assert lines["swag"] == ["region", "0", "0", "1", "+", "1", "ReLUs"]
    assert lines["legrad"][-6:] == ["all", "tokens,", "blocks", "and", "a", "head"]
    assert lines["parameter_randomisation"] == ["low", "0", "0", "4"]
    assert lines["idsds"][:4] == ["high", "0", "16", "0"]


def test_only_explainers_and_metrics_have_costs() -> None:
    with pytest.raises(UserError, match="explainers and metrics have costs"):
        list_names("models", costs=True)


@pytest.mark.parametrize("section", sorted(names.AT_HAND))
def test_names_at_hand_are_listed(section: str) -> None:
    found = names.at_hand(section)
    assert found
    assert found <= {entry.name for entry in names.LISTS[section]()}
