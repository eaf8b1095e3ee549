"""A kind of output is part of a benchmark: refused where it makes no sense, else in the key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from swag.models import ModelSpec
from swagflow.config.identity import describe
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("quick_report")


def models(**fields: Any) -> dict[str, dict[str, Any]]:
    toy = {"architecture": "tests.support.plugins:toy_cnn", "weights": "random:0"}
    return {"toy": {**toy, **fields}}


def test_one_output_under_softmax_is_refused_before_anything_runs(runner: Runner) -> None:
    assert runner("datasets.squares.images=4", models=models(num_classes=1)) == 2
    assert "models.toy: the model has one output" in runner.output
    assert "output='sigmoid'" in runner.output
    assert not runner.folder.exists()


def test_one_output_is_scored_for_the_class_and_against_it(runner: Runner) -> None:
    about = models(num_classes=1, output="sigmoid")
    assert runner("datasets.squares.images=4", models=about) == 0
    scores = runner.scores()
    assert len(scores) == 4 * 4
    assert scores["target"].isin([0, 1]).all()
    curves = np.stack(list(scores["curve"]))
    assert (curves[:, 0] >= 0.5).all(), "the predicted side has at least half"
    assert (np.ptp(curves, axis=1) > 0).all(), "no curve is flat"


def test_another_output_is_another_benchmark(runner: Runner) -> None:
    assert runner("datasets.squares.images=4", models=models()) == 0
    assert runner("datasets.squares.images=4", models=models(output="sigmoid")) == 2
    assert "belongs to another benchmark" in runner.output


def test_an_unknown_output_is_named(runner: Runner) -> None:
    assert runner("datasets.squares.images=4", models=models(output="softmaxx")) == 2
    assert "models.toy: output" in runner.output


def test_softmax_is_what_models_were_before_they_could_say_so() -> None:
    assert "output" not in describe(ModelSpec(architecture="tiny_vgg"))
    assert describe(ModelSpec(architecture="tiny_vgg", output="logit"))["output"] == "logit"
