"""The training loop alone."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swag.models import weights_sha256
from swag.models.tiny import tiny_resnet, tiny_vgg
from swagflow.errors import UserError
from swagflow.store.files import Folder
from swagflow.train.fitting import fit
from swagflow.train.recipe import Fit


def batches(_epoch: int) -> list[tuple[Tensor, Tensor]]:
    return [(torch.rand(4, 3, 32, 32), torch.arange(4))]


def test_learning_rates() -> None:
    constant = Fit(epochs=4, learning_rate=0.5)
    cosine = replace(constant, schedule="cosine")
    assert [constant.rate(epoch) for epoch in range(4)] == [0.5] * 4
    half = math.sqrt(0.5)
    assert [cosine.rate(epoch) for epoch in range(4)] == pytest.approx(
        [0.5, 0.25 * (1 + half), 0.25, 0.25 * (1 - half)]
    )


def test_a_checkpoint_belongs_to_its_recipe(tmp_path: Path) -> None:
    file = Folder.at(str(tmp_path)).file("checkpoint")
    recipe = Fit(epochs=1, learning_rate=0.1)
    fit(tiny_resnet(4), batches, recipe, file)
    with pytest.raises(UserError, match="was written by another recipe; remove it"):
        fit(tiny_resnet(4), batches, replace(recipe, seed=1), file)
    with pytest.raises(UserError, match="is damaged"):
        fit(tiny_vgg(4), batches, recipe, file)
    content = file.read()
    assert content is not None
    for damaged in (content[: len(content) // 2], b"", b"not a checkpoint"):
        file.write(damaged)
        with pytest.raises(UserError, match="is damaged"):
            fit(tiny_resnet(4), batches, recipe, file)


def test_training_leaves_a_model_to_be_explained() -> None:
    """Also the global random numbers are as they were."""
    model = tiny_resnet(4).eval().requires_grad_(requires_grad=False)
    before = weights_sha256(model)
    state = torch.random.get_rng_state()
    ones = [(torch.ones(4, 3, 32, 32), torch.arange(4))]
    fit(model, lambda _: ones, Fit(epochs=1, learning_rate=1.0))
    assert weights_sha256(model) != before
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(UserError, match="there are no images to train on"):
        fit(tiny_resnet(), lambda _: [], Fit(epochs=1, learning_rate=0.1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative"),
        ({"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
    ],
)
def test_impossible_recipes(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fit(**{"epochs": 1, "learning_rate": 0.1, **fields})


@pytest.mark.gpu
def test_mixed_precision_learns() -> None:
    model = tiny_resnet(2).cuda()
    losses: list[float] = []
    x_BCHW, label_B = torch.zeros(8, 3, 32, 32).cuda(), torch.arange(8).cuda() % 2
    x_BCHW[::2] = 1
    recipe = Fit(epochs=20, learning_rate=0.01, mixed_precision=True)
    fit(model, lambda _: [(x_BCHW, label_B)], recipe, None, lambda epoch: losses.append(epoch.loss))
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
