"""The fastest way of perturbed copies: measured once for a run folder, and kept."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from torch import nn

from swag.forwards import Quickest
from swagflow.cli.check import check_run
from swagflow.engine.shard_worker import ShardWorker
from swagflow.store.run_folder import Store
from tests.support.runs import EXPLAINERS, Killed, Runner, dies_after, same_results

pytestmark = pytest.mark.usefixtures("quick_report")
FEW, MORE = "datasets.squares.images=4", "datasets.squares.images=8"
MODELS = {"toy": {"architecture": "tests.support.plugins:normalised_cnn", "weights": "random:0"}}


def run(runner: Runner, images: str, forward: str = "fastest", **options: Any) -> None:
    assert runner(images, forward=forward, models=MODELS, **options) == 0, runner.output


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make "eager", which is not the default, the fastest; return how many images were tried."""
    sizes: list[int] = []

    def found(model: nn.Module, _: Any, x: Any, *__: Any) -> Quickest:
        sizes.append(len(x))
        return Quickest("eager", model, {"eager": 0.25, "folded": 0.5})

    monkeypatch.setattr("swag.classifier.quickest", found)
    return sizes


@pytest.fixture
def eager(tmp_path: Path) -> Runner:
    """What a run leaves whose copies go that way."""
    (tmp_path / "eager").mkdir()
    runner = Runner(tmp_path / "eager")
    run(runner, MORE, "eager")
    assert not (runner.folder / "copies.json").exists()
    return runner


def told(runner: Runner) -> Any:
    return json.loads((runner.folder / "provenance.json").read_text())["perturbed_copies"]


def test_it_is_measured_once_and_told(runner: Runner, eager: Runner, measured: list[int]) -> None:
    run(runner, FEW)
    assert measured == [32], "a full pass"
    known = json.loads((runner.folder / "copies.json").read_text())["squares/toy"]
    assert known["forward"] == "eager"
    assert known["seconds"] == {"eager": 0.25, "folded": 0.5}
    assert known["device"]
    chosen = {"forward": "fastest", "precision": "float32", "chosen": {"squares/toy": "eager"}}
    assert told(runner) == chosen
    run(runner, FEW)
    assert "Nothing to compute" in runner.output
    run(runner, MORE)
    assert measured == [32]
    assert told(runner) == chosen
    same_results(runner.folder, eager)


def test_a_run_that_was_killed_goes_on_the_same_way(
    runner: Runner, eager: Runner, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ShardWorker, "run_task", dies_after(6, ShardWorker.run_task))
        with pytest.raises(Killed):
            runner(MORE, forward="fastest", models=MODELS)
    assert len(measured) == 1
    assert 0 < len(runner.files()) < len(eager.files())
    run(runner, MORE)
    assert len(measured) == 1
    same_results(runner.folder, eager)


def test_what_cannot_be_measured_goes_the_default_way(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Quickest:
        raise RuntimeError("no such pass")

    monkeypatch.setattr("swag.classifier.quickest", fails)
    run(runner, FEW)
    known = json.loads((runner.folder / "copies.json").read_text())["squares/toy"]
    assert known == {"forward": "folded", "error": "RuntimeError: no such pass"}


@pytest.mark.parametrize("content", ["garb", "[1]", '{"squares/toy": {}}', '{"squares/toy": 3}'])
def test_what_is_damaged_is_named_and_measured_again(
    runner: Runner, measured: list[int], content: str
) -> None:
    run(runner, FEW)
    (runner.folder / "copies.json").write_text(content)
    console = Console(file=io.StringIO(), width=200)
    assert check_run(runner.uri, console) == 1
    assert "copies.json: " in console.file.getvalue()  # type: ignore[attr-defined]
    run(runner, FEW)
    assert "Nothing to compute" in runner.output
    assert check_run(runner.uri, Console(quiet=True)) == 0
    run(runner, MORE)
    assert len(measured) == 2


def test_a_way_that_is_missing_is_an_error_of_the_rows(
    runner: Runner, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "write_copies", lambda *_: None)
    assert runner(FEW, forward="fastest", models=MODELS) == 1
    assert measured
    (error,) = set(runner.scores()["error"].str.partition(" [")[0])
    assert error == (
        "ValueError: copies.json does not say which way copies go through squares/toy; run again "
        "with --retry-errors"
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("cluster", "measured")
def test_workers_take_the_way_that_is_kept(runner: Runner, eager: Runner) -> None:
    run(runner, FEW)
    kept = (runner.folder / "copies.json").read_bytes()
    run(runner, MORE, workers=2)
    assert (runner.folder / "copies.json").read_bytes() == kept
    same_results(runner.folder, eager)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("cluster")
def test_a_worker_measures(runner: Runner) -> None:
    run(runner, MORE, workers=2, explainers={"centre": EXPLAINERS["centre"]})
    (known,) = json.loads((runner.folder / "copies.json").read_text()).values()
    assert known["forward"] in known["seconds"]
    assert {"eager", "folded"} <= known["seconds"].keys()
