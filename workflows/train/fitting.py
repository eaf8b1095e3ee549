"""The one training loop: resumable after every epoch and, on the CPU, to the same bits."""

from __future__ import annotations

import io
import logging
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from swag.models.weights_files import load_tensors
from swag.rng import generator

from ..config.identity import key_of
from ..errors import UserError
from .process_group import ALONE, ProcessGroup
from .recipe import Fit

Batches = Callable[[int], Iterable[tuple[Tensor, Tensor]]]
"""From an epoch's number to its batches of normalised images x_BCHW and classes label_B."""

log = logging.getLogger(__name__)


class Checkpoint(Protocol):
    """A file that is written whole or not at all, such as `swagflow.store.files.StoredFile`."""

    def read(self) -> bytes | None:
        """Return its content, None where there is no file."""

    def write(self, content: bytes) -> None:
        """Replace its content."""


class Epoch(NamedTuple):
    """What is known after an epoch."""

    number: int
    """From 0."""
    learning_rate: float
    loss: float
    """Mean over the images."""


def fit(
    model: nn.Module,
    batches: Batches,
    recipe: Fit,
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _epoch: None,
    *,
    group: ProcessGroup = ALONE,
) -> None:
    """Train a model in place, from the checkpoint's epoch on where there is one.

    Every parameter is trained. Afterwards the model is in evaluation mode and its parameters are
    frozen. Random numbers inside the model, as of dropout, depend on seed, epoch and rank only.

    Every process of a group calls this with the same model and its own share of each batch. A step
    follows the gradient of the loss's mean over the whole batch, however it is shared out.

    Args:
        model: on the device that trains; maps x_BCHW to logits_BK.
        batches: must itself depend on the epoch only; of a group, no process's share is empty.
        recipe: see `Fit`; its `batch_size` is for the maker of the batches.
        checkpoint: written after every epoch by the group's first process, read by all.
        on_epoch: called after every epoch, before its checkpoint is written.
        group: the processes that train together.

    Raises:
        UserError: training diverged, there are no batches, or the checkpoint is damaged, of another
            recipe or not the same for the whole group.
    """
    model.requires_grad_(requires_grad=True)
    optimizer = _optimizer(model, recipe)
    device = next(model.parameters()).device
    start = 0 if checkpoint is None else _resume(checkpoint, model, optimizer, recipe)
    if int(group.sum(torch.tensor(start, device=device))) != start * group.size:
        raise UserError(
            f"the workers do not find the same {checkpoint}; --run-dir must be a folder or URI "
            "that every machine reaches"
        )
    if start:
        log.info("%s: going on from epoch %d of %d", checkpoint, start, recipe.epochs)
    for number in range(start, recipe.epochs):
        with _seeded(recipe.seed, number, device, group.rank):
            loss = _epoch(model.train(), batches(number), recipe, optimizer, number, group=group)
        finite = all(bool(parameter.isfinite().all()) for parameter in model.parameters())
        if not (finite and math.isfinite(loss)):
            raise UserError(
                f"training diverged in epoch {number} (mean loss {loss:g}); lower the learning rate"
            )
        log.debug("epoch %d: mean loss %g", number, loss)
        model.eval()
        on_epoch(Epoch(number, recipe.rate(number), loss))
        if checkpoint is not None and group.rank == 0:
            checkpoint.write(_packed(number + 1, model, optimizer, recipe))
    model.eval().requires_grad_(requires_grad=False)


def _optimizer(model: nn.Module, recipe: Fit) -> torch.optim.Optimizer:
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, weight_decay=decay)


def _epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    recipe: Fit,
    optimizer: torch.optim.Optimizer,
    number: int,
    *,
    group: ProcessGroup,
) -> float:
    """Return the mean loss of one pass over the images."""
    for parameters in optimizer.param_groups:
        parameters["lr"] = recipe.rate(number)
    device = next(model.parameters()).device
    total, count = torch.zeros((2,), dtype=torch.float64, device=device)
    with group.summed_gradients(model) as wait:
        for x_BCHW, label_B in batches:
            loss = _loss(model, x_BCHW, label_B, recipe)
            here = torch.full((), float(len(label_B)), device=device)
            optimizer.zero_grad()
            torch.autograd.backward(loss * (here / group.sum(here.clone())))
            wait()
            optimizer.step()
            total += loss.detach().double() * len(label_B)
            count += len(label_B)
    group.share_buffers(model)
    whole, images = group.sum(torch.stack([total, count])).tolist()
    if not images:
        raise UserError("there are no images to train on")
    return float(whole / images)


def _loss(model: nn.Module, x_BCHW: Tensor, label_B: Tensor, recipe: Fit) -> Tensor:
    """Return the mean loss of a batch."""
    half = recipe.mixed_precision and x_BCHW.device.type == "cuda"
    with torch.autocast(x_BCHW.device.type, torch.bfloat16, enabled=half):
        logits_BK = model(x_BCHW)
    if not isinstance(logits_BK, Tensor):
        logits_BK = logits_BK[0]  # Inception's and GoogLeNet's auxiliary outputs follow
    return F.cross_entropy(logits_BK.float(), label_B, label_smoothing=recipe.label_smoothing)


@contextmanager
def _seeded(seed: int, epoch: int, device: torch.device, rank: int) -> Iterator[None]:
    """Let torch's random numbers depend on seed, epoch and rank only inside the block."""
    purpose = f"training in rank {rank}" if rank else "training"
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(generator(seed, str(epoch), purpose).integers(2**63)))
        yield


def _packed(done: int, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Fit) -> bytes:
    stream = io.BytesIO()
    state = {
        "recipe": key_of(recipe),
        "epochs": done,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(state, stream)
    return stream.getvalue()


def _resume(
    checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Fit
) -> int:
    """Load a checkpoint and return how many epochs it has behind it."""
    content = checkpoint.read()
    if content is None:
        return 0
    try:
        state: Any = load_tensors(io.BytesIO(content))
        if state["recipe"] != key_of(recipe):
            raise UserError(f"{checkpoint} was written by another recipe; remove it to start anew")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["epochs"])
    except (pickle.UnpicklingError, RuntimeError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{checkpoint} is damaged: {error}; remove it to start anew") from error
