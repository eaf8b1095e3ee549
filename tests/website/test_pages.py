"""What pages show is what there is: commands, options, configurations, and what comes of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from swagflow.config.load import load_benchmark
from swagflow.train.train_config import load_train_configs
from tests.support.pages import ROOT, Block, Shown, blocks, calls, parsed, run_page, shown

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "cluster").glob("*.md")),
    *(ROOT / name / "README.md" for name in ("benchmarks", "examples")),
]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
ELSEWHERE = {"cluster.md"}
"""How-tos whose commands need machines; they are only checked."""
BY_NAME = {str(path.relative_to(ROOT)): path for path in PAGES}


def test_commands_and_what_they_print_are_told_apart() -> None:
    block = Block("console", "$ A=1 swagflow run x \\\n    --workers 0   # why\nsays\nmore\n$ ls\n")
    first, second = shown(block)
    assert first.words == ["swagflow", "run", "x", "--workers", "0"]
    assert first.output == "says\nmore\n"
    assert second == Shown("ls", "")


@pytest.mark.parametrize("page", BY_NAME)
def test_the_shell_of_a_page_can_be_read(page: str) -> None:
    for block in blocks(BY_NAME[page]):
        if block.language == "console":
            for each in shown(block):
                subprocess.run(["bash", "-n", "-c", each.command], check=True)


@pytest.mark.parametrize("page", BY_NAME)
def test_the_calls_of_a_page_name_what_there_is(page: str) -> None:
    files = {block.file: block.text for block in blocks(BY_NAME[page]) if block.file}
    for each in calls(BY_NAME[page]):
        name, options = parsed(each.words)
        if name == "train":
            assert load_train_configs(options["config"])
        elif "benchmark" in options:
            _load(options, files)


def _load(options: dict[str, Any], files: dict[str, str]) -> None:
    """Load a call's configuration; what is the reader's own is left to the pages that run."""
    name = options["config"] or options["benchmark"]
    if str(name) in files:
        assert yaml.safe_load(files[str(name)])
    elif not str(name).endswith(".yaml"):
        assert load_benchmark(str(name), options["set_"] or [], options["only"] or [])


def test_a_wrong_option_or_setting_is_found() -> None:
    with pytest.raises(Exception, match="--worker"):
        parsed(["swagflow", "run", "full-benchmark", "--worker", "2"])
    with pytest.raises(KeyError):
        parsed(["swagflow", "runs"])


def test_the_configurations_that_pages_show_are_read() -> None:
    count = 0
    for page in PAGES:
        for block in blocks(page):
            if block.language == "yaml":
                assert isinstance(yaml.safe_load(block.text), dict), block.text
                count += 1
    assert count >= 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder whose modules can be imported, and are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_page_can_be_followed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_page(ROOT / "docs" / "getting-started.md", capsys)
    assert list((folder / "first" / "figures").glob("*.png"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("folder", "quick_report")
@pytest.mark.parametrize(
    "page", [path for path in HOW_TO if path.name not in ELSEWHERE], ids=lambda path: path.name
)
def test_a_how_to_can_be_followed(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_page(page, capsys)
