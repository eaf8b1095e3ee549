"""Guided backpropagation and a layer's output, both from one ordinary forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from swag.layers import layout_of

_OPAQUE = ("CopySlices", "CompiledFunctionBackward", "DifferentiableGraph")


def guide(output: Tensor) -> None:
    """Turn the backward pass from `output` into guided backpropagation (Springenberg et al., 2015).

    A gradient then passes a ReLU where it is positive and the unit was active. The ReLUs are found
    in autograd's graph, so in-place, reused, functional, method and TorchScript forms are all
    alike, and neither the model nor its hooks are touched: the rule lives and dies with the graph.
    ReLU6 is a ReLU; max(0, x) spelt as `clamp` or `maximum` is not. Other activations (GELU, SiLU)
    keep their own gradient.

    Raises:
        ValueError: the graph has no ReLU, or a node that may hide one.
    """
    relus = []
    for node in _nodes(output):
        if any(name in node.name() for name in _OPAQUE):
            raise ValueError(
                f"guided backpropagation cannot see into {node.name()!r} of the model's graph; "
                "use a model without torch.compile and without in-place operations on views"
            )
        if _is_relu(node):
            relus.append(node)
    if not relus:
        raise ValueError(
            "guided backpropagation needs ReLUs, and the model called none; take plain gradients, "
            "as vanilla_gradient and swag_vanilla do"
        )
    for node in relus:
        node.register_hook(_clip)


def has_relu(output: Tensor) -> bool:
    """Return whether the graph behind an output has a ReLU that `guide` could turn."""
    nodes = list(_nodes(output))
    hidden = any(name in node.name() for node in nodes for name in _OPAQUE)
    return not hidden and any(map(_is_relu, nodes))


def _clip(gradients: tuple[Tensor | None, ...], _above: object) -> None:
    """Clip what a ReLU has just made of the gradient above it, which nothing else holds yet."""
    for gradient in gradients:
        if gradient is not None:
            gradient.clamp_(min=0)


def _is_relu(node: Any) -> bool:
    name = node.name().rstrip("0123456789")
    return bool(
        name == "ReluBackward"
        or (name == "HardtanhBackward" and node._saved_min_val == 0)
        or (name == "ThresholdBackward" and node._saved_threshold == 0)
    )


def _nodes(output: Tensor) -> Iterator[Any]:
    """Yield each node of the graph behind `output` once."""
    waiting: list[Any] = [output.grad_fn]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node
        following = {next_node for next_node, _ in node.next_functions if next_node is not None}
        waiting.extend(following - seen)
        seen |= following


@contextmanager
def captured(name: str, module: nn.Module, size: Sequence[int]) -> Iterator[list[Tensor]]:
    """Collect the output of the module called `name`, which must run once inside the block.

    Args:
        size: height and width of the images, in whose proportions it has a map.

    It is the tensor that the graph holds; what follows gets a copy, so that an in-place layer
    behind it cannot overwrite what was captured.

    Raises:
        ValueError: the module ran more or less than once, or its output is not a map.
    """
    outputs: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor) or layout_of(output.shape, size) is None:
            what = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output)
            raise ValueError(
                f"Grad-CAM's layer {name!r} must put out one map of shape (B, F, h, w) or "
                f"(B, h, w, F), or tokens of shape (B, N, F) with a patch for each cell of a grid "
                f"in the image's proportions, not {what}"
            )
        # Where nothing below asks for a gradient, the graph begins here.
        kept = output if output.requires_grad else output.detach().requires_grad_()
        outputs.append(kept)
        return kept.clone()

    handle = module.register_forward_hook(hook)
    try:
        yield outputs
    finally:
        handle.remove()
    if len(outputs) != 1:
        raise ValueError(
            f"Grad-CAM's layer {name!r} ran {len(outputs)} times in a pass; "
            "choose one that runs once"
        )


@contextmanager
def recording() -> Iterator[None]:
    """Record a graph inside the block even where the caller switched that off."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield
