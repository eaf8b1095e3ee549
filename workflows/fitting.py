"""The one training loop: resumable after every epoch, to the same end as without a break."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from swag.rng import generator

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
"""Epoch, from 0, to its batches of normalised x_BCHW and int64 label_B on the model's device."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a model is trained."""

    epochs: int
    learning_rate: float
    batch_size: int
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD has momentum 0.9; AdamW torch's defaults."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the learning rate; cosine falls to 0 over the epochs."""
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0


class Checkpoint(Protocol):
    """Where a training keeps its last finished epoch."""

    def read(self) -> bytes | None:
        """Return what was written last, None where nothing was."""

    def write(self, content: bytes) -> None:
        """Replace it, complete or not at all."""


@dataclass(frozen=True)
class Epoch:
    """What is told of a finished epoch."""

    number: int
    loss: float


def fit(
    model: nn.Module,
    batches: Batches,
    recipe: Fit,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> None:
    """Train `model` in place, from the epoch after its checkpoint on; leave it to be evaluated.

    What is random (order, augmentation, dropout) must depend on the epoch only: `batches` for its
    part, this loop for dropout. On a CPU an interrupted training then ends with the same bits.
    """
    model.requires_grad_(requires_grad=True)
    optimizer = _optimizer(model, recipe)
    first = _restore(checkpoint, model, optimizer)
    devices = [p.device.index or 0 for p in model.parameters() if p.is_cuda][:1]
    for number in range(first, recipe.epochs):
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(generator(recipe.seed, str(number), "fit").integers(2**62)))
            loss = _epoch(model, batches(number), recipe, optimizer, number)
        state = {
            "epoch": number + 1,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        stream = io.BytesIO()
        torch.save(state, stream)
        checkpoint.write(stream.getvalue())
        on_epoch(Epoch(number, loss))
    model.requires_grad_(requires_grad=False)
    model.eval()


def _optimizer(model: nn.Module, recipe: Fit) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
        )
    return torch.optim.SGD(
        parameters, lr=recipe.learning_rate, momentum=0.9, weight_decay=recipe.weight_decay
    )


def _restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    content = checkpoint.read()
    if content is None:
        return 0
    device = next(model.parameters()).device
    state: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["epoch"])


def _epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    recipe: Fit,
    optimizer: torch.optim.Optimizer,
    number: int,
) -> float:
    model.train()
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        rate *= (1 + math.cos(math.pi * number / recipe.epochs)) / 2
    for group in optimizer.param_groups:
        group["lr"] = rate
    total, count = 0.0, 0
    for x_BCHW, label_B in batches:
        loss = F.cross_entropy(model(x_BCHW), label_B, label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(label_B)
        count += len(label_B)
    return total / max(count, 1)
