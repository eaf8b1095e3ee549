"""The attention of a transformer's layers, whoever wrote it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from swag.backward import recording
from swag.layers import Layout, layout_of
from swag.signals import Signals, require_classes

_LOCK = threading.Lock()
"""What is replaced below belongs to the process."""


@contextmanager
def recorded_attention() -> Iterator[list[Tensor]]:
    """Collect attention probabilities (B, heads, N, N) inside the block, first layer first.

    They are tensors of the graph. Attention is found where it is computed: by PyTorch's fused
    function, whose parts are then computed one by one, or by a softmax over a square of tokens.
    """
    found: list[Tensor] = []
    softmax, function = Tensor.softmax, F.softmax

    def keep(attention: Tensor) -> Tensor:
        if attention.ndim == 4 and attention.shape[2] == attention.shape[3] > 1:
            found.append(attention)
        return attention

    def attend(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *_: Any,
        scale: float | None = None, **__: Any,
    ) -> Tensor:  # fmt: skip
        factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
        score = (query * factor) @ key.transpose(-2, -1)
        if attn_mask is not None:
            hides = attn_mask.dtype == torch.bool
            score = score.masked_fill(~attn_mask, -math.inf) if hides else score + attn_mask
        return keep(softmax(score, -1)) @ value

    def watched(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *arguments, **options: keep(original(*arguments, **options))

    with _LOCK, ExitStack() as replaced:
        for owner, name, other in (
            (F, "scaled_dot_product_attention", attend),
            (F, "softmax", watched(function)),
            (torch, "softmax", watched(torch.softmax)),
            (Tensor, "softmax", watched(softmax)),
        ):
            replaced.enter_context(patch.object(owner, name, other))
        yield found


Relevance = Callable[[list[Tensor], Tensor, Tensor], Tensor]
"""Makes relevance_BNN, of each token (last) for each token, of the attention of all layers,
logit_BK and target_B1."""


def attention_maps(signals: Signals, relevance: Relevance) -> Tensor:
    """Return saliency_BHW of a relevance of tokens.

    Raises:
        ValueError: the model has no attention among all of its tokens, or these are no map.
    """
    size = signals.batch.image_BCHW.shape[2:]
    step = signals.classifier.backward_batch_size
    require_classes(signals.target_B, signals.logit_BK)
    maps = []
    for start in range(0, len(signals.batch), step):
        x_BCHW = signals.normalised_BCHW[start : start + step].detach().clone()
        with recording(), recorded_attention() as attention:
            x_BCHW = x_BCHW.requires_grad_()
            logit_BK = signals.classifier.logits(x_BCHW.clone())
            target_B1 = signals.target_B[start : start + step, None].clone()
            layout = _layout(attention, len(x_BCHW), size)
            relevance_BNN = relevance(attention, logit_BK, target_B1).detach()
        # The class token's row, or where there is none the mean of all that are pooled.
        row_BN = relevance_BNN[:, 0] if layout.num_prefix else relevance_BNN.mean(1)
        maps.append(layout.map_BFhw(row_BN[..., None]))
    map_B1hw = torch.cat(maps)
    return F.interpolate(map_B1hw, size=size, mode="bilinear", align_corners=False)[:, 0]


def _layout(attention: list[Tensor], batch: int, size: Sequence[int]) -> Layout:
    """Return where the map is in the tokens of all layers."""
    shapes = {tuple(item.shape) for item in attention}
    tokens = {shape[-1] for shape in shapes}
    if not attention:
        raise ValueError("the model computes no attention among tokens; it is for transformers")
    if len(tokens) > 1 or any(shape[0] != batch for shape in shapes):
        raise ValueError(
            "the model's layers attend within windows or to other tokens each (shapes "
            f"{sorted(shapes)[:3]}), and their attention cannot be multiplied; "
            "take a model with global attention, such as ViT, or Grad-CAM"
        )
    found = layout_of((batch, *tokens, 1), size)
    if found is None:
        raise ValueError(
            f"the model's {tokens.pop()} tokens are no grid in the proportions of an image of "
            f"{size[0]}x{size[1]} pixels"
        )
    return found
