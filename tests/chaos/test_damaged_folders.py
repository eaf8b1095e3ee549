"""Every kind of file of a run folder cut short, emptied and overwritten: a line or a repair."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from swagflow.cli.check import check_run
from swagflow.cli.guard import guarded
from swagflow.cli.report import write_report
from swagflow.cli.status import show_status
from tests.support.runs import EXPLAINERS, Runner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("undrawn")]
FAILING = {**EXPLAINERS, "broken": {"type": "tests.support.plugins:FAILING"}}
FILES = {
    "description": "benchmark.yaml",
    "provenance": "provenance.json",
    "scores": "scores/metric=deletion/dataset=squares/model=toy/explainer=swag/*.parquet",
    "masks": "explanations/dataset=squares/model=toy/explainer=swag/*.parquet",
    "table": "tables/*.csv",
    "figure": "figures/*.svg",
    "key": ".drawn",
    "failure": "failures/*.txt",
    "page": "report.html",
    "lock": ".lock",
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: bytes(range(256)) * 4,
    "text": lambda content: b"[{(<not this>",
}
WRITTEN_ONLY = {"table", "figure", "failure", "page", "lock"}
"""Kinds that nothing reads back, so that it does not matter what they hold."""
CASES = [
    (kind, damage)
    for kind in FILES
    for damage in (["garbage"] if kind in WRITTEN_ONLY else DAMAGES)
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = Runner(tmp_path_factory.mktemp("whole"))
    assert run_again(runner) == 1, runner.output  # the rows of the explainer that fails
    return runner


def run_again(runner: Runner) -> int:
    return runner("datasets.squares.images=8", explainers=FAILING)


def rows_of(runner: Runner) -> dict[str, bytes]:
    """Return the parts of scores; those of masks hold the seconds that they took."""
    return {path: content for path, content in runner.files().items() if "scores" in path}


@pytest.mark.parametrize(("kind", "damage"), CASES)
def test_a_damaged_file_is_one_line_or_is_mended(
    tmp_path: Path, whole: Runner, kind: str, damage: str
) -> None:
    runner = Runner(tmp_path)
    shutil.copytree(whole.folder, runner.folder)
    path = next(iter(sorted(runner.folder.glob(FILES[kind]))))
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    damaged = path.read_bytes()

    says = {}
    for act in (check_run, show_status, write_report):
        console = Console(file=io.StringIO(), width=300)
        code = guarded(partial(act, runner.uri, console), console)
        says[act.__name__] = (code, console.file.getvalue())  # type: ignore[attr-defined]
    if kind == "masks":  # a run reads only those whose scores are missing
        check_run(runner.uri, Console(quiet=True), delete=True)
    code = run_again(runner)
    if kind == "description":
        assert {code, *(ended for ended, _ in says.values())} == {2}
        assert path.read_bytes() == damaged, "it is the user's to decide"
        for _, text in says.values():
            assert text.startswith("Error: benchmark.yaml of the run folder")
            assert len(text.splitlines()) == 1
        return
    assert code == 1, runner.output  # of the explainer that fails, as before
    assert rows_of(runner) == rows_of(whole)
    assert guarded(lambda: check_run(runner.uri, Console(quiet=True)), Console()) == 0
    for own in runner.folder.glob("tables/*.csv"):
        assert own.read_bytes() == (whole.folder / "tables" / own.name).read_bytes()
    if kind in {"scores", "masks", "provenance"} and damage != "empty":
        assert says["check_run"][0] == 1
        assert path.relative_to(runner.folder).as_posix() in says["check_run"][1]
