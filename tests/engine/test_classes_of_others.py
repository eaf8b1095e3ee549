"""Methods of other packages in a run folder: what tells two of one name apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from swagflow.cli.report import write_report
from swagflow.config.load import resolve
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import choose_resources
from swagflow.engine.work import InProcess
from swagflow.errors import UserError
from swagflow.store.run_folder import Store
from tests.support.runs import changed

EXPLAINERS: dict[str, Any] = {
    "centre": {},
    "bright": {"type": "tests.support.plugins:BRIGHTNESS"},
}


def run(folder: Path, explainers: dict[str, Any] | None = None) -> bool:
    squares = {"squares": {"type": "tests.support.plugins:Squares", "images": 2}}
    raw = changed(datasets=squares, explainers=explainers or EXPLAINERS)
    opened = open_benchmark(resolve(raw))
    return compute(
        opened, Store(str(folder)), InProcess(choose_resources(0)), Console(file=io.StringIO())
    )


def parts(folder: Path, explainer: str) -> dict[str, bytes]:
    paths = folder.rglob(f"explainer={explainer}/*.parquet")
    return {path.name: path.read_bytes() for path in paths}


def test_the_description_names_modules_of_other_packages_only(tmp_path: Path) -> None:
    assert run(tmp_path)
    held = yaml.safe_load((tmp_path / "benchmark.yaml").read_text())
    assert held["explainers"]["bright"]["module"] == "tests.support.plugins"
    assert held["datasets"]["squares"]["module"] == "tests.support.plugins"
    assert "module" not in held["explainers"]["centre"]
    assert "module" not in held["metrics"]["deletion"]


def test_another_package_s_class_of_the_same_name_is_another_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "likewise.py").write_text(
        "from dataclasses import dataclass\n"
        "from tests.support.plugins import Brightness as Other\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Brightness(Other):\n"
        "    '''A method of the same name and fields.'''\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run(tmp_path / "run")
    before = parts(tmp_path / "run", "bright")
    with pytest.raises(UserError, match=r"its explainers\.bright\.module is 'tests\.support\.plug"):
        run(tmp_path / "run", {**EXPLAINERS, "bright": {"type": "likewise:Brightness"}})
    assert run(tmp_path / "run", {**EXPLAINERS, "likewise": {"type": "likewise:Brightness"}})
    assert parts(tmp_path / "run", "bright") == before
    assert parts(tmp_path / "run", "likewise").keys().isdisjoint(before)


def test_a_folder_that_names_no_modules_is_gone_on_with(tmp_path: Path) -> None:
    """As version 0.1 wrote it: rows of other packages' classes have new keys."""
    run(tmp_path)
    held = yaml.safe_load((tmp_path / "benchmark.yaml").read_text())
    del held["num_images"], held["explainers"]["bright"]["module"]
    del held["datasets"]["squares"]["module"]
    (tmp_path / "benchmark.yaml").write_text(yaml.safe_dump(held, sort_keys=False))
    wanted, kept = parts(tmp_path, "bright"), parts(tmp_path, "centre")
    for path in list(tmp_path.rglob("explainer=bright/*.parquet")):
        path.rename(path.with_name(f"000000-000001-{'0' * 16}.parquet"))
    assert run(tmp_path)
    assert parts(tmp_path, "bright").keys() == wanted.keys()
    assert parts(tmp_path, "centre") == kept
    held = yaml.safe_load((tmp_path / "benchmark.yaml").read_text())
    assert held["explainers"]["bright"]["module"] == "tests.support.plugins"
    assert not run(tmp_path)


def test_another_package_s_metric_judges_explainers_themselves(tmp_path: Path) -> None:
    squares = {"squares": {"type": "tests.support.plugins:Squares", "images": 3}}
    raw = changed(
        datasets=squares,
        explainers={"rise": {"num_masks": 4}, "centre": {}},
        metrics={"own": {"type": "tests.support.plugins:NumPasses"}},
    )
    opened = open_benchmark(resolve(raw))
    screen = Console(file=io.StringIO())
    assert compute(opened, Store(str(tmp_path)), InProcess(choose_resources(0)), screen)
    scores = Store(str(tmp_path)).read_scores("own")
    assert dict(scores.groupby("explainer")["value"].sum()) == {"rise": 8.0, "centre": 0.0}


def test_a_report_imports_no_data_set_that_a_folder_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of the same name as one of the package's is not that one."""
    found = []

    def draw(store: Store, open_dataset: Any, **_: object) -> tuple[Store, list[str]]:
        found.append(open_dataset("squares"))
        return store, []

    monkeypatch.setattr("swagflow.front.drawing.draw", draw)
    run(tmp_path)
    path = tmp_path / "benchmark.yaml"
    held = yaml.safe_load(path.read_text())
    for fields in ({"class": "Squares", "module": "os"}, {"class": "DigitScenes", "module": "os"}):
        held["datasets"]["squares"] = fields
        path.write_text(yaml.safe_dump(held, sort_keys=False))
        write_report(str(tmp_path), Console(file=io.StringIO()))
    held["datasets"]["squares"] = {"class": "DigitScenes"}
    path.write_text(yaml.safe_dump(held, sort_keys=False))
    write_report(str(tmp_path), Console(file=io.StringIO()))
    assert found[:2] == [None, None]
    assert found[2] is not None
