"""Ways of a model's forward pass for perturbed copies: the same outputs in less time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import which
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from swag.outputs import Output, logits_of, scores_of

Way = Literal["eager", "folded", "compiled"]
"""How perturbed copies go through a model: "eager" as it is; "folded" with batch normalisation in
the weights of the convolutions before it; "compiled" by TorchInductor beside that."""
Forward = Literal[Way, "fastest"]
"""A way, or whichever `quickest` finds."""
Precision = Literal["float32", "tf32", "bf16"]
"""In which numbers: "tf32" has convolutions and products of matrices round their inputs to the 10
bits of TensorFloat-32, on GPUs only; "bf16" takes bfloat16 where PyTorch's autocast does."""

CLOSE = 5e-5
"""How far scores may be from the model's own, and logits in parts of the largest."""
WORTH = 0.95
"""Of a plainer way's time, what a less plain one has to stay below to be taken instead."""
TURNS = 5
_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError,
           TypeError, ValueError)  # fmt: skip
"""What tracing or compiling code that was not written for it can raise."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CopyPasses:
    """How perturbed copies go through a model.

    Raises:
        ValueError: one is unknown.
    """

    forward: Forward = "eager"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name, kind in (("forward", Forward), ("precision", Precision)):
            if getattr(self, name) not in get_args(kind):  # a list, as of YAML, is in none
                known = ", ".join(get_args(kind))
                raise ValueError(
                    f"{name} {getattr(self, name)!r} is unknown; choose one of {known}"
                )

    def check_device(self, device: torch.device) -> None:
        """Raise ValueError where a device has no such numbers."""
        if self.precision == "tf32" and device.type != "cuda":
            raise ValueError(
                f"precision 'tf32' is for GPUs, and copies go through the model on {device}; use "
                "'float32', or 'bf16'"
            )

    @contextmanager
    def numbers(self, device: torch.device) -> Iterator[None]:
        """Let passes inside the block take the numbers asked for; raises as `check_device`."""
        self.check_device(device)
        if self.precision == "bf16":
            with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
                yield
            return
        convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
        before = convolutions.allow_tf32, products.allow_tf32
        convolutions.allow_tf32 = products.allow_tf32 = self.precision == "tf32"
        try:
            yield
        finally:
            convolutions.allow_tf32, products.allow_tf32 = before


@dataclass(frozen=True)
class Quickest:
    """What `quickest` has found."""

    forward: Way
    model: nn.Module
    """Arranged that way."""
    seconds: Mapping[Way, float]
    """Of a pass, by each way whose outputs are the model's: the best of some."""


@torch.no_grad()
def arranged(model: nn.Module, forward: Way, x_NCHW: Tensor, output: Output) -> nn.Module:
    """Return a model with the outputs of `model` as its weights are now, arranged as asked.

    Where that cannot be, or its outputs for the images given differ by more than `CLOSE`, the next
    plainer one is returned, the model itself at last, and the log says why.

    Args:
        model: in evaluation mode; it stays as it is.
        forward: what is asked for.
        x_NCHW: normalised images of the first pass, which stay as they are; passes of as many are
            those that are compiled.
        output: how scores come from the outputs.
    """
    return list(_arrangements(model, forward, x_NCHW, output).values())[-1]


@torch.no_grad()
def quickest(
    model: nn.Module,
    copies: CopyPasses,
    x_NCHW: Tensor,
    output: Output,
    clock: Callable[[], float] = time.perf_counter,
) -> Quickest:
    """Return the way through a model that takes least time, of those that have its outputs.

    All ways take turns, after a pass of each that does not count, and the best time of each counts.
    A less plain one is taken only where it needs less than `WORTH` of the plainer one's.

    Args:
        model, x_NCHW, output: as of `arranged`; of as many images as passes will mostly have.
        copies: in which numbers passes are timed; its `forward` does not count.
        clock: the time, in seconds.

    Raises:
        ValueError: the device has no such numbers.
    """
    copies.check_device(x_NCHW.device)
    ways = _arrangements(model, "compiled", x_NCHW, output)
    seconds = dict.fromkeys(ways, float("inf"))
    with copies.numbers(x_NCHW.device):
        for turn in range(TURNS + 1):
            for way, candidate in ways.items():
                took = _seconds(candidate, x_NCHW, clock)
                seconds[way] = min(seconds[way], took) if turn else seconds[way]
    chosen: Way = "eager"
    for way, best in seconds.items():
        chosen = way if best < WORTH * seconds[chosen] else chosen
    log.info("copies go through a %s %s: seconds %s", chosen, type(model).__name__, seconds)
    return Quickest(chosen, ways[chosen], seconds)


def full_pass(x_NCHW: Tensor, size: int) -> Tensor:
    """Return the images again and again, `size` of them in all."""
    times = -(-size // len(x_NCHW))
    return x_NCHW.repeat(times, 1, 1, 1)[:size]


def _seconds(model: nn.Module, x_NCHW: Tensor, clock: Callable[[], float]) -> float:
    """Return what a pass takes until its outputs are there."""
    images_NCHW = x_NCHW.clone()
    _synchronise(x_NCHW.device)
    start = clock()
    model(images_NCHW)
    _synchronise(x_NCHW.device)
    return clock() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _arrangements(
    model: nn.Module, last: Way, x_NCHW: Tensor, output: Output
) -> dict[Way, nn.Module]:
    """Return the model as it is, and less plain ones with its outputs, up to the one asked for."""
    found: dict[Way, nn.Module] = {"eager": model}
    steps: dict[Way, Callable[[nn.Module, Tensor], nn.Module]] = {}
    if last != "eager" and any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        steps["folded"] = _folded
    if last == "compiled":
        steps["compiled"] = _compiled
    if not steps:
        return found
    wanted_NK = logits_of(model(x_NCHW.clone()), output)
    latest = model
    for way, arrange in steps.items():
        candidate = _tried(arrange, latest, x_NCHW, wanted_NK, output, way=way)
        if candidate is not None:
            found[way] = latest = candidate
    return found


def _tried(
    arrange: Callable[[nn.Module, Tensor], nn.Module],
    model: nn.Module,
    x_NCHW: Tensor,
    wanted_NK: Tensor,
    output: Output,
    *,
    way: Way,
) -> nn.Module | None:
    """Return an arrangement whose outputs are those wanted; None where there is none."""
    try:
        candidate = arrange(model, x_NCHW)
        got_NK = logits_of(candidate(x_NCHW.clone()), output)
    except _FAULTS as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        log.info("copies do not go through a %s %s: %s", way, type(model).__name__, first)
        return None
    away = _distance(got_NK, wanted_NK, output)
    if not away <= CLOSE:
        log.warning(
            "copies do not go through a %s %s: its outputs are %.1e away, %.0e may be",
            *(way, type(model).__name__, away, CLOSE),
        )
        return None
    return candidate


def _distance(got_NK: Tensor, wanted_NK: Tensor, output: Output) -> float:
    """Return the largest difference of scores, or of logits in parts of the largest logit."""
    scale = wanted_NK.abs().amax().clamp(min=1)
    of_logits = (got_NK - wanted_NK).abs().amax() / scale
    if output == "logit":
        return float(of_logits)
    of_scores = (scores_of(got_NK, output) - scores_of(wanted_NK, output)).abs().amax()
    return float(torch.maximum(of_logits, of_scores))


def _folded(model: nn.Module, x_NCHW: Tensor) -> nn.Module:
    """Return the model with batch normalisation folded into convolutions."""
    from swag.folding import folded  # noqa: PLC0415 - torch.fx, which few need

    found: nn.Module = folded(model).eval()
    is_last = x_NCHW.device.type == "cpu" and any(
        weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
        for weight in model.parameters()
    )
    return found.to(memory_format=torch.channels_last) if is_last else found


def _compiled(model: nn.Module, x_NCHW: Tensor) -> nn.Module:
    """Return the model compiled for passes of as many images; others go through it as it is.

    Raises:
        RuntimeError: there is no compiler for the device, or it fails.
    """
    if x_NCHW.device.type == "cpu" and not any(map(which, ("g++", "clang++", "cl"))):
        raise RuntimeError("there is no C++ compiler")
    return _OfOneSize(model, len(x_NCHW))


class _OfOneSize(nn.Module):
    """Compiled for passes of one size, since each other size would be compiled again."""

    def __init__(self, model: nn.Module, size: int) -> None:
        super().__init__()
        self.plain = model
        self.compiled = torch.compile(model, dynamic=False, options={"freezing": True})
        self.size = size

    def forward(self, x_NCHW: Tensor) -> object:
        return (self.compiled if len(x_NCHW) == self.size else self.plain)(x_NCHW)
