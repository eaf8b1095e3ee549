"""A layer's output as a map: of a CNN, of one whose channels come last, or of tokens.

Grad-CAM and its kin weight a map of features. A CNN's layer puts one out, (B, F, h, w). Some
transformers keep rows and columns with the features last, (B, h, w, F), as Swin does; others a
sequence, (B, N, F), which begins with what is no place in the image (class, distillation and
register tokens) and goes on with the patches, row by row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from swag.outputs import tensor_of

MOST_PREFIX = 16
"""Tokens before the patches: a class, a distillation and a few register tokens."""
_SKIPPED = (
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(nn.Dropout, nn.Dropout2d, nn.Identity, nn.Softmax),
)


class Layout(NamedTuple):
    """Where a map is in a layer's output."""

    kind: Literal["channels first", "channels last", "tokens"]
    height: int
    width: int
    num_prefix: int = 0
    """Tokens before the patches."""

    def map_BFhw(self, output: Tensor) -> Tensor:
        """Return the map in an output, or in its gradient."""
        if self.kind == "channels first":
            return output
        if self.kind == "tokens":
            output = output[:, self.num_prefix :].unflatten(1, (self.height, self.width))
        return output.permute(0, 3, 1, 2).contiguous()


def layout_of(shape: Sequence[int], size: Sequence[int]) -> Layout | None:
    """Return where the map is in an output of this shape; None where there is none.

    A sequence has as few tokens before its patches as make their number that of a grid in the
    image's proportions.

    Args:
        size: height and width of the image.
    """
    if len(shape) == 4:
        _, second, third, last = shape
        if not _in_proportion(third, last, size) and _in_proportion(second, third, size):
            return Layout("channels last", second, third)
        return Layout("channels first", third, last)
    if len(shape) != 3:
        return None
    side = math.gcd(*size)
    down, across = size[0] // side, size[1] // side
    for num_prefix in range(min(MOST_PREFIX, shape[1]) + 1):
        factor = math.isqrt((shape[1] - num_prefix) // (down * across))
        if factor and factor**2 * down * across == shape[1] - num_prefix:
            return Layout("tokens", factor * down, factor * across, num_prefix)
    return None


def last_layer(model: nn.Module, normalised_1CHW: Tensor) -> str:
    """Return the name of the layer whose output Grad-CAM weights where none is named.

    Raises:
        ValueError: no layer puts out a map that the outputs depend on.
    """
    found = last_spatial_layer(model, normalised_1CHW) or last_token_layer(model, normalised_1CHW)
    if found is None:
        raise ValueError("no layer of the model puts out a spatial map; name one with cam_layer")
    return found


def last_token_layer(model: nn.Module, normalised_1CHW: Tensor) -> str | None:
    """Return the name of the last normalisation whose tokens or channels-last map counts.

    After a transformer's last attention only the class token may reach the outputs; the gradients
    of patches are zero there. So it is the last layer where they are not: the normalisation before
    the last attention, or at the end where patches are pooled. None where there is none.
    """
    outputs: dict[str, Tensor] = {}
    repeated: set[str] = set()

    def remember(name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                repeated.update({name} & outputs.keys())
                outputs[name] = output

        return hook

    handles = [
        module.register_forward_hook(remember(name))
        for name, module in model.named_modules()
        if "norm" in type(module).__name__.lower()
    ]
    try:
        with torch.inference_mode(mode=False), torch.enable_grad():
            x_1CHW = normalised_1CHW.detach().clone().requires_grad_()
            logit_1K = tensor_of(model(x_1CHW.clone()))
            names = [name for name, output in outputs.items() if _cells(output, x_1CHW) > 1]
            score = logit_1K.max()
            gradients = (
                torch.autograd.grad(score, [outputs[name] for name in names], allow_unused=True)
                if names
                else ()
            )
    finally:
        for handle in handles:
            handle.remove()
    size = normalised_1CHW.shape[2:]
    reached = [
        (name, layout.map_BFhw(gradient))
        for name, gradient in zip(names, gradients, strict=True)
        if name not in repeated
        and gradient is not None
        and (layout := layout_of(gradient.shape, size))
    ]
    # Of a head that begins with zeros, as torchvision's, nothing is learned: the last will do.
    counting = [name for name, map_BFhw in reached if bool(map_BFhw.any())]
    found = counting or [name for name, _ in reached]
    return found[-1] if found else None


def _cells(output: Tensor, image_1CHW: Tensor) -> int:
    """Return how many cells of a map an output of one image has; 0 where it is none."""
    layout = layout_of(output.shape, image_1CHW.shape[2:])
    if layout is None or len(output) != 1 or layout.kind == "channels first":
        return 0
    return layout.height * layout.width


def _in_proportion(height: int, width: int, size: Sequence[int]) -> bool:
    """Return whether rows and columns of cells are as an image's height and width.

    Rounding leaves either side up to one cell from the exact proportion.
    """
    return min(height, width) >= 2 and abs(height * size[1] - width * size[0]) <= sum(size)


class _Call(NamedTuple):
    """A module that has put out a map of at least 2x2 cells, channels first."""

    name: str
    cells: torch.Size
    """Rows and columns."""
    num_channels: int


def last_spatial_layer(model: nn.Module, normalised_1CHW: Tensor) -> str | None:
    """Return the name of the last module to put out a map of at least 2x2 cells, channels first.

    Pooling, dropout, attention's weights and the model itself do not count: Grad-CAM's map is made
    by the features. Of the modules with the last such map's cells it is the last that runs once, of
    whose output each class is made, and not from a channel of its own: no branch of a block, and no
    class maps, which a convolution for a head puts out. Where there is none, it is the last module.
    None where there is no map, or more layers work on sequences after it than on maps up to it, as
    in a vision transformer, whose one map is cut-out patches.
    """
    return _chosen(model, normalised_1CHW, *_calls(model, normalised_1CHW))


def not_simply_last(model: nn.Module, normalised_1CHW: Tensor) -> str | None:
    """Return `last_spatial_layer` where that is not the very last map, which it was once."""
    calls, num_runs = _calls(model, normalised_1CHW)
    found = _chosen(model, normalised_1CHW, calls, num_runs)
    return found if calls and found != calls[-1].name else None


def _chosen(
    model: nn.Module, normalised_1CHW: Tensor, calls: Sequence[_Call], num_runs: Counter[str]
) -> str | None:
    """Return which of the calls is `last_spatial_layer`."""
    if not calls:
        return None
    alike = [call for call in calls if call.cells == calls[-1].cells and num_runs[call.name] == 1]
    found = (
        call.name for call in reversed(alike) if _is_all_features(model, call, normalised_1CHW)
    )
    return next(found, alike[-1].name if alike else calls[-1].name)


def _calls(model: nn.Module, normalised_1CHW: Tensor) -> tuple[list[_Call], Counter[str]]:
    """Return the calls that put out a map, in order, and how often each module ran."""
    found: list[_Call] = []
    num_runs: Counter[str] = Counter()
    layers = {"maps": 0, "sequences": 0}

    def remember(name: str) -> object:
        def hook(module: nn.Module, _inputs: object, output: object) -> None:
            weighted = any(True for _ in module.parameters(recurse=False))
            num_runs[name] += 1
            if not isinstance(output, Tensor):
                return
            if _is_map(output.shape, normalised_1CHW.shape):
                found.append(_Call(name, output.shape[2:], output.shape[1]))
                layers.update(maps=layers["maps"] + weighted, sequences=0)
            elif output.shape[2:].numel() > 1:
                layers["sequences"] += weighted

        return hook

    handles = [
        module.register_forward_hook(remember(name))
        for name, module in model.named_modules()
        if name and not isinstance(module, _SKIPPED) and not _is_container(module)
    ]
    try:
        with torch.no_grad():
            model(normalised_1CHW)
    finally:
        for handle in handles:
            handle.remove()
    return (found if layers["sequences"] <= layers["maps"] else []), num_runs


def _is_all_features(model: nn.Module, call: _Call, normalised_1CHW: Tensor) -> bool:
    """Return whether outputs are made of a module's map alone, and no class of its own channel.

    The map is taken out of the graph: no gradient then reaches the image by another way. What is
    found must not depend on the image, so a fixed one takes its place.
    """
    kept: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1].clone()

    with torch.inference_mode(mode=False), torch.enable_grad():
        x_1CHW = torch.linspace(-1, 1, normalised_1CHW.numel()).view(normalised_1CHW.shape)
        x_1CHW = x_1CHW.to(normalised_1CHW).requires_grad_()
        handle = model.get_submodule(call.name).register_forward_hook(cut)
        try:
            logit_1K = tensor_of(model(x_1CHW.clone()))
        finally:
            handle.remove()
        if not logit_1K.requires_grad or logit_1K.ndim != 2:
            return False
        (around,) = torch.autograd.grad(
            logit_1K.sum(), [x_1CHW], allow_unused=True, retain_graph=True
        )
        target = int(logit_1K[0].argmax())
        (map_1Fhw,) = torch.autograd.grad(logit_1K[0, target], kept, allow_unused=True)
    if around is not None or map_1Fhw is None:
        return False
    others = [channel for channel in range(call.num_channels) if channel != target]
    return call.num_channels != logit_1K.shape[1] or bool(map_1Fhw[0, others].any())


def _is_map(shape: torch.Size, image_shape: torch.Size) -> bool:
    """Return whether an output has an image's rows and columns of cells, in its proportions.

    A transformer's sequences and heads, and channels that come last, make other shapes.
    """
    alike = len(shape) == 4 and shape[0] == image_shape[0]
    return alike and _in_proportion(shape[2], shape[3], image_shape[2:])


def _is_container(module: nn.Module) -> bool:
    """Return whether a module puts out what its last part does, and nothing of its own."""
    return type(module).forward in {nn.Sequential.forward, nn.ModuleList.forward}
