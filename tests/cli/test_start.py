"""Help and lists at once: nothing that takes seconds is imported for them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
from typer.main import get_command

import swagflow
from benchmarks.made_run import Size, make
from swagflow.cli import main
from swagflow.cli.app import app
from tests.support.processes import COMMANDS, exit_codes, python

HEAVY = ("torch", "torchvision", "ray", "matplotlib", "pandas", "pyarrow", "skimage", "numpy")
LISTS = ("explainers", "metrics", "models", "datasets", "benchmarks")
IMPORTED = f"\nprint('imported', [name for name in {HEAVY!r} if name in sys.modules])\n"


def all_commands() -> list[str]:
    return sorted(cast(Any, get_command(app)).commands)


def test_there_is_a_file_for_each_command() -> None:
    names = all_commands()
    assert {"run", "list", "train"} <= set(names)
    assert [name for name in names if find_spec(f"swagflow.cli.{name}") is None] == []


def test_help_and_lists_import_nothing_that_takes_seconds() -> None:
    helps = [[], *([name] for name in all_commands()), ["data", "check"]]
    calls = [
        *([*call, "--help"] for call in helps),
        *(["list", *what] for what in ([], *([name] for name in LISTS))),
        ["--version"],
    ]
    done = python(COMMANDS.format(calls=calls) + IMPORTED)
    assert exit_codes(done) == [0] * len(calls)
    assert done.stdout.splitlines()[-1] == "imported []", done.stderr


@pytest.mark.slow
def test_how_far_a_run_is_and_its_report_are_told_without_pytorch(tmp_path: Path) -> None:
    run = str(tmp_path)
    make(run, Size(images=6, explainers=3, metrics=1, models=1, shard_size=4))
    done = python(COMMANDS.format(calls=[["status", run], ["report", run]]) + IMPORTED)
    assert exit_codes(done) == [1, 0], done.stderr  # it has no masks
    imported = done.stdout.splitlines()[-1]
    assert "pyarrow" in imported
    assert "torch" not in imported


@pytest.mark.slow
def test_a_run_with_nothing_to_do_imports_no_more_than_it_needs(tmp_path: Path) -> None:
    options = ["--workers=0", f"--run-dir={tmp_path}", "--only=table1", "--set=models=[small_vgg]"]
    few = ["--set=explainers=[swag,centre]", "--set=datasets.digit_scenes.images=4"]
    run = ["run", "full-benchmark", *options, *few]
    assert exit_codes(python(COMMANDS.format(calls=[run]))) == [0]
    heavy = ["matplotlib", "scipy.stats", "sklearn", "torch._dynamo", "torchvision"]
    done = python(COMMANDS.format(calls=[run]) + f"print([m for m in {heavy} if m in sys.modules])")
    assert exit_codes(done) == [0], done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


MISTYPED: tuple[tuple[str, ...], ...] = (
    ("run", "full-benchmark", "--set", "explainers=[swagg]"),
    ("run", "full-benchmark", "--set", "metrics=[deletoin]"),
    ("run", "full-benchmark", "--set", "datasets.digit_scenes.type=digit_scene"),
    ("plan", "full-benchmark", "--set", "models=[resnet5]"),
    ("plan", "full-benchmark", "--only", "tabel1"),
    ("plan", "ful-benchmark"),
    (
        "submit",
        "full-benchmark",
        "--address",
        "http://x:1",
        "--run-dir",
        "s3://b/run",
        "--set",
        "models=[resnet5]",
    ),
    ("explain", "cat.png", "--model", "resnet5"),
    ("explain", "cat.png", "--method", "swagg"),
)


def test_a_name_that_is_mistyped_is_said_before_anything_that_takes_seconds() -> None:
    done = python(COMMANDS.format(calls=list(map(list, MISTYPED))) + IMPORTED)
    assert exit_codes(done) == [2] * len(MISTYPED)
    assert done.stdout.splitlines()[-1] == "imported []", done.stdout
    assert "explainers.swagg: explainer 'swagg' is unknown; did you mean 'swag_g'" in done.stderr
    assert "models.resnet5: model 'resnet5' is unknown; did you mean 'resnet50'" in done.stderr
    assert "datasets.digit_scenes: dataset 'digit_scene' is unknown" in done.stderr


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"swagflow {swagflow.__version__}\n"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("swagflow run paper/table1", ["paper/table1"]),
        ("swagflow plan in-dist", ["in-distribution"]),
        ("swagflow explain x.png --method swag_ig_s", ["swag_ig_smooth"]),
        ("swagflow explain x.png --model timm", ["timm/NAME"]),
    ],
)
def test_a_shell_completes_names(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    shown: list[str],
) -> None:
    monkeypatch.setenv("_SWAGFLOW_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    monkeypatch.setattr("sys.argv", ["swagflow"])
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 0
    assert capsys.readouterr().out.splitlines()[:1] == shown
