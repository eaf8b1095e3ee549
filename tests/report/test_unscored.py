"""A run none of whose rows can be judged: the report says why, and is no error."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from swagflow.cli.run import run_benchmark
from swagflow.config.load import load_benchmark
from swagflow.engine.resources import choose_resources


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("held_out", "reason"),
    [(False, "no image with boxes is held out"), (True, "every image is held out")],
)
def test_a_threshold_that_cannot_be_chosen_is_told_of_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, *, held_out: bool
) -> None:
    monkeypatch.setattr("swagflow.report.rows.is_held_out", lambda _: held_out)
    settings = ["models=[small_vgg]", "explainers=[swag, centre]", "datasets.digit_scenes.images=2"]
    benchmark = load_benchmark("full-benchmark", settings, ["table5"])
    console = Console(quiet=True)
    assert not run_benchmark(
        benchmark, str(tmp_path), choose_resources(0), retry_errors=False, console=console
    )
    missing = pd.read_csv(tmp_path / "tables" / "missing.csv")
    assert len(missing) == 4
    assert missing["error"].str.startswith(reason).all()
    assert not list((tmp_path / "tables").glob("table5*"))
