"""`python -m benchmarks.paper`: tau by hand, and what is printed of a run and of the paper."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from benchmarks.paper import Subject, agreement, beside_the_paper, main, orders, printed_columns
from swagflow.cli.run import run_benchmark
from swagflow.config.load import load_benchmark
from swagflow.engine.resources import choose_resources
from swagflow.front.results import Results

SUBJECT = Subject(
    "photos",
    "net",
    pd.DataFrame({"random": [3.0, 5.0], "swag": [2.0, 2.0], "guided_backprop": [1.0, 4.0]}),
)


def test_tau_is_one_for_the_same_order_and_counts_shared_methods_only() -> None:
    alike = {"random": 0.3, "swag": 0.1, "guided_backprop": 0.2, "rise": 0.05}
    assert SUBJECT.tau(alike).startswith("1.00 (")  # 4, 2 and 2.5
    # Resamples that draw the first image alone put swag behind guided_backprop: a third is discord.
    assert SUBJECT.tau(alike) == "1.00 (0.33 to 1.00)"
    assert SUBJECT.tau({name: -value for name, value in alike.items()}).startswith("-1.00 (-1.00")
    assert SUBJECT.tau({"random": 1.0, "swag": 2.0}) == "-1.00 (-1.00 to -1.00)"


def test_orders_are_by_the_means_best_first() -> None:
    lines = list(orders([SUBJECT], printed_columns("table1")))
    assert "- photos, net: SWAG, Guided backprop, Random" in lines
    (vgg16,) = (line for line in lines if line.startswith("- paper: imagenet, vgg16"))
    assert vgg16.startswith("- paper: imagenet, vgg16: Guided backprop, SWAG G, SWAG I+G, SWAG,")
    table = list(agreement([SUBJECT], printed_columns("table1")))
    assert "| paper | photos, net (2 images) |" in table
    assert sum(line.startswith(("| imagenet", "| cub200")) for line in table) == 4


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("undrawn")
def test_a_run_stands_beside_the_paper_whatever_its_experiments_share(tmp_path: Path) -> None:
    settings = ["models=[small_vgg]", "explainers=[swag, swag_noise, random]"]
    settings += ["datasets.digit_scenes.images=2", "metrics.deletion.steps=2"]
    benchmark = load_benchmark("full-benchmark", settings, ["table1", "table2"])
    folder = str(tmp_path / "run")
    console = Console(quiet=True)
    assert not run_benchmark(
        benchmark, folder, choose_resources(0), retry_errors=False, console=console
    )
    lines = list(beside_the_paper(Results.read(folder), "table2"))
    assert lines[0] == "\n### Table 2, SWAG with other weights, deletion AUC"
    heads = "| method | digit_scenes, small_vgg (2 images) | paper: imagenet, vgg16 |"
    assert lines[2].startswith(heads)
    (swag,) = (line for line in lines if line.startswith("| SWAG |"))
    assert swag.endswith("| 0.092 | 0.119 |")
    assert len(lines) == 6


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("undrawn")
def test_a_run_without_deletion_has_its_other_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["models=[small_vgg]", "explainers=[swag, grad_cam]", "metrics.efficiency.images=1"]
    benchmark = load_benchmark("full-benchmark", settings, ["table6"])
    folder = str(tmp_path / "run")
    console = Console(quiet=True)
    assert not run_benchmark(
        benchmark, folder, choose_resources(0), retry_errors=False, console=console
    )
    monkeypatch.setattr("sys.argv", ["benchmarks.paper", folder])
    main()
    printed = capsys.readouterr().out
    assert printed.count("###") == 1
    assert printed.startswith("\n### Table 6")
