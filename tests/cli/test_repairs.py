"""What a run folder shows is what it holds: damaged files are made anew, reports follow rows."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from swagflow.cli.check import check_run
from swagflow.cli.report import write_report
from swagflow.cli.status import show_status
from swagflow.config.load import load_benchmark
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import Resources
from swagflow.engine.work import InProcess
from swagflow.store.run_folder import Store
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("quick_report")


Command = Callable[[str, Console], int]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    made = Runner(tmp_path)
    assert made("datasets.squares.images=8") == 0
    return made


def said(command: Command, runner: Runner) -> tuple[int, str]:
    stream = io.StringIO()
    code = command(runner.uri, Console(file=stream, width=300))
    return code, stream.getvalue()


@pytest.mark.parametrize("folder", ["scores", "explanations"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"garbage" * 100,
    ],
)
def test_a_damaged_part_is_named_and_computed_again(
    runner: Runner, folder: str, spoil: Callable[[bytes], bytes]
) -> None:
    before = runner.files()
    victim = next(path for path in before if path.startswith(folder) and "centre" in path)
    (runner.folder / victim).write_bytes(spoil(before[victim]))
    code, text = said(check_run, runner)
    assert code == 1
    assert victim in text
    assert "1 damaged" in text
    if folder == "scores":
        code, text = said(show_status, runner)
        assert code == 1
        assert f"damaged: {victim}" in text
        assert runner("datasets.squares.images=8") == 0
        assert victim in runner.output
    else:
        # No score is missing, so that nobody reads it before it is wanted.
        assert check_run(runner.uri, Console(quiet=True), delete=True) == 1
        assert not (runner.folder / victim).exists()
        assert runner("datasets.squares.images=8") == 0
    after = runner.files()
    assert after.keys() == before.keys()
    assert all(after[path] == before[path] for path in before if path.startswith("scores"))
    assert said(check_run, runner)[0] == 0


def test_a_damaged_part_does_not_stop_a_report(runner: Runner) -> None:
    victim = next(path for path in runner.files() if path.startswith("scores"))
    (runner.folder / victim).write_bytes(b"")
    code, text = said(write_report, runner)
    assert code in {0, 1}
    assert "report.html" in text


def test_a_damaged_provenance_is_found(runner: Runner) -> None:
    (runner.folder / "provenance.json").write_text('{"python": ')
    code, text = said(check_run, runner)
    assert code == 1
    assert "provenance.json: " in text


def test_a_report_follows_rows_that_came_after_it(runner: Runner) -> None:
    """As when a run was killed between its last part and its report."""
    page = runner.folder / "report.html"
    page.write_text("of 8 images")
    assert runner("datasets.squares.images=8") == 0
    assert page.read_text() == "of 8 images", "nothing had changed"
    opened = open_benchmark(load_benchmark(str(runner.config), ["datasets.squares.images=12"]))
    assert compute(opened, Store(runner.uri), InProcess(Resources(0)), Console(file=io.StringIO()))
    assert page.read_text() == "of 8 images"
    assert runner("datasets.squares.images=12") == 0
    assert "Nothing to compute" in runner.output
    assert page.read_text() != "of 8 images"


def test_a_report_that_was_deleted_is_drawn_again(runner: Runner) -> None:
    (runner.folder / "report.html").unlink()
    assert runner("datasets.squares.images=8") == 0
    assert (runner.folder / "report.html").exists()
