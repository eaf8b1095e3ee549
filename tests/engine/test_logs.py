"""The log: silent in a library, as much as is asked for on the command line."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from swagflow import cli, logs
from tests.support.runs import changed

pytestmark = pytest.mark.usefixtures("quick_report")

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = """
import io, sys
from rich.console import Console
from swagflow.config.load import load_benchmark
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import Resources
from swagflow.engine.work import InProcess
from swagflow.store.run_folder import Store

opened = open_benchmark(load_benchmark(sys.argv[1]))
compute(opened, Store(sys.argv[2]), InProcess(Resources(0)), Console(file=io.StringIO()))
"""


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """Leave the logger as it was."""
    handlers, level = logs.LOGGER.handlers[:], logs.LOGGER.level
    yield
    logs.LOGGER.handlers[:] = handlers
    logs.LOGGER.setLevel(level)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A benchmark with a method that fails, of which a warning is logged."""
    explainers = {"centre": {}, "failing": {"type": "tests.support.plugins:FAILING"}}
    file = tmp_path / "toy.yaml"
    file.write_text(yaml.safe_dump(changed(explainers=explainers, shard_size=4)))
    return file


@pytest.mark.slow
def test_a_library_prints_nothing(tmp_path: Path, config: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY, str(config), str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert len(list((tmp_path / "run" / "failures").iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ([], {"WARNING"}),
        (["-v"], {"WARNING", "INFO"}),
        (["--verbose", "--verbose"], {"WARNING", "INFO", "DEBUG"}),
        (["-vvv"], {"WARNING", "INFO", "DEBUG"}),
    ],
)
def test_the_command_line_shows_as_much_as_is_asked_for(
    tmp_path: Path,
    config: Path,
    options: list[str],
    levels: set[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*options, "run", str(config), "--run-dir", str(tmp_path / "run"), "--workers=0"])
    assert ended.value.code == 1
    shown = capsys.readouterr()
    log = [line.split(" ", 4) for line in shown.err.splitlines() if " swagflow." in line]
    assert {words[2] for words in log} == levels
    assert shown.out == ""
    texts = {words[3]: words[4] for words in log}
    failure = texts["swagflow.store.failures:"]
    assert "explainer failing: RuntimeError: no explanation today; see failures/" in failure
    assert ("swagflow.store.run_folder:" in texts) == ("DEBUG" in levels)


def test_on_a_terminal_rich_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup(0, Console(stderr=True, force_terminal=True, width=100))
    logs.setup(0, Console(stderr=True, force_terminal=True, width=100))
    logging.getLogger("swagflow.store.lease").warning("[bold]taken over")
    shown = capsys.readouterr().err
    assert shown.count("[bold]taken over") == 1, "the second setting replaces the first"
    assert "WARNING" in shown


def test_a_worker_logs_at_the_level_of_its_driver(capsys: pytest.CaptureFixture[str]) -> None:
    logs.LOGGER.setLevel(logging.INFO)
    level = logs.current_level()
    logs.LOGGER.setLevel(logging.NOTSET)
    logs.setup_worker(level)
    logging.getLogger("swagflow.engine.workshop").info("loading model %s", "toy")
    logging.getLogger("swagflow.engine.workshop").debug("shard")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("INFO swagflow.engine.workshop: loading model toy")
