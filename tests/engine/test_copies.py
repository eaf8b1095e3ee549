"""How perturbed copies go through a model: no other rows; in which numbers: others."""

from __future__ import annotations

import json

import numpy as np
import pytest

from swagflow.store.run_folder import Store
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("quick_report")
FEW = "datasets.squares.images=4"
MODELS = {"toy": {"architecture": "tests.support.plugins:normalised_cnn", "weights": "random:0"}}


def test_a_folder_goes_on_whichever_way_copies_went(runner: Runner) -> None:
    assert runner(FEW, forward="eager", models=MODELS) == 0
    files = runner.files()
    assert runner(FEW, models=MODELS) == 0
    assert "Nothing to compute" in runner.output
    assert runner("datasets.squares.images=8", models=MODELS) == 0
    assert files.items() <= runner.files().items()
    assert Store(runner.uri).read_benchmark().forward == "folded"


def test_the_folded_way_changes_scores_by_rounding_only(runner: Runner) -> None:
    assert runner(FEW, forward="eager", models=MODELS) == 0
    eager = runner.scores()
    runner.folder = runner.folder.with_name("folded")
    runner.uri = str(runner.folder)
    assert runner(FEW, models=MODELS) == 0
    folded = runner.scores()
    assert list(folded["image_id"]) == list(eager["image_id"])
    np.testing.assert_allclose(folded["value"], eager["value"], rtol=0, atol=5e-5)


def test_other_numbers_are_other_rows_and_another_folder(runner: Runner) -> None:
    assert runner(FEW) == 0
    names = set(runner.files())
    assert runner(FEW, precision="bf16") == 2
    assert "its precision is 'float32', and 'bf16' is asked for" in runner.output
    runner.folder = runner.folder.with_name("rounded")
    runner.uri = str(runner.folder)
    assert runner(FEW, precision="bf16") == 0
    assert not names & set(runner.files())
    store = Store(runner.uri)
    assert store.read_benchmark().precision == "bf16"
    told = json.loads((runner.folder / "provenance.json").read_text())
    assert told["perturbed_copies"] == {"forward": "folded", "precision": "bf16"}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "forward=quick",
            "forward 'quick' is unknown; choose one of eager, folded, compiled, fastest",
        ),
        ("precision=[bf16]", "precision ['bf16'] is unknown; choose one of float32, tf32, bf16"),
        ("precision=tf32", "precision 'tf32' is for GPUs"),
    ],
)
def test_what_cannot_be_is_refused(runner: Runner, override: str, said: str) -> None:
    assert runner(FEW, override) == 2
    assert said in runner.output
    assert not runner.folder.exists()
