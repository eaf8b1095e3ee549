"""Processes that train together: the mean gradient of one, and the same bits after an end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from swag.models import load_model
from swagflow.train.training import train
from tests.support.trainings import CPU, train_together, uneven

pytestmark = [pytest.mark.slow]


def test_processes_follow_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    run = uneven(
        "tests.support.trainings:Plain", learning_rate=0.3, label_smoothing=0.1, weight_decay=0.1
    )
    alone = train(run, str(tmp_path / "alone"), device=CPU)
    shared = train_together(run, tmp_path / "shared", 2)
    assert shared is not None
    start = load_model(replace(run.model, num_classes=3)).state_dict()
    expected, found = load_file(alone.weights), load_file(shared.weights)
    assert expected.keys() == found.keys()
    assert (expected["head.weight"] - start["head.weight"]).abs().max() > 0.01
    assert torch.equal(found["side.weight"], start["side.weight"]), "no gradient reaches it"
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6)
    losses = [[row.loss for row in result.history] for result in (alone, shared)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert [row.accuracy for row in shared.history] == [row.accuracy for row in alone.history]


def test_three_processes_that_end_go_on_to_the_same_bits(tmp_path: Path) -> None:
    """Three, because a sum of two numbers has only one order."""
    run = uneven("tiny_resnet", optimizer="adamw")
    whole = train_together(run, tmp_path / "whole", 3)
    train_together(run, tmp_path / "broken", 3, stop=1)
    assert (tmp_path / "broken" / "checkpoint.pt").exists()
    broken = train_together(run, tmp_path / "broken", 3)
    assert whole is not None
    assert broken is not None
    assert Path(broken.weights).read_bytes() == Path(whole.weights).read_bytes()
    histories = [[replace(row, seconds=0) for row in r.history] for r in (whole, broken)]
    assert histories[0] == histories[1]
