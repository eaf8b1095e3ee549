"""The blocks of a vision transformer and the head that follows them, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

BLOCKS = ("blocks", "encoder.layers", "layers", "encoder.layer")
"""Where timm, torchvision and transformers, by their versions, have them."""


@dataclass(frozen=True)
class Tower:
    """Blocks in their order, and what makes logit_BK of one token_BF after them."""

    blocks: tuple[nn.Module, ...]
    head: Callable[[Tensor], Tensor]

    @contextmanager
    def recorded(self) -> Iterator[list[Tensor]]:
        """Collect the blocks' token_BNF inside the block, those of the last forward pass."""
        found: list[Tensor] = []

        def keep(module: nn.Module, _: Any, output: Any) -> None:
            if module is self.blocks[0]:
                found.clear()
            found.append(output[0] if isinstance(output, tuple) else output)

        with ExitStack() as handles:
            for block in self.blocks:
                handle = block.register_forward_hook(keep)
                handles.callback(handle.remove)
            yield found

    def scores(self, tokens: list[Tensor], target_B1: Tensor) -> list[Tensor]:
        """Return for each block the target's score_B of the mean of its tokens."""
        return [self.head(x_BNF.mean(1)).gather(1, target_B1)[:, 0] for x_BNF in tokens]


def tower_of(model: nn.Module) -> Tower:
    """Return the blocks and head of a vision transformer, which may be within other modules.

    Raises:
        ValueError: it is built in another way than those of timm, torchvision and transformers.
    """
    for module in model.modules():
        blocks, steps = _blocks(module), _head(module)
        if blocks and steps and all(isinstance(step, nn.Module) for step in steps):
            return Tower(blocks, _checked(nn.Sequential(*steps)))
    raise ValueError(
        "the model is not built as the vision transformers of timm, torchvision or transformers "
        "are: blocks, a norm and a head, whose scores legrad takes of each block"
    )


def _body(model: nn.Module) -> nn.Module:
    """Return what has the blocks; in transformers it is not what has the head."""
    base = getattr(model, str(getattr(model, "base_model_prefix", "")), None)
    return base if isinstance(base, nn.Module) else model


def _blocks(model: nn.Module) -> tuple[nn.Module, ...]:
    for path in BLOCKS:
        found = _module(_body(model), path)
        if isinstance(found, nn.ModuleList | nn.Sequential) and len(found):
            return tuple(found)
    return ()


def _head(model: nn.Module) -> list[Any]:
    body = _body(model)
    if body is not model:
        return [getattr(body, "layernorm", None), getattr(model, "classifier", None)]
    if hasattr(model, "heads"):
        return [_module(model, "encoder.ln"), model.heads]
    if hasattr(model, "head"):
        return [getattr(model, "norm", None), getattr(model, "fc_norm", nn.Identity()), model.head]
    return []


def _checked(head: nn.Sequential) -> nn.Sequential:
    widths = [layer.in_features for layer in head.modules() if isinstance(layer, nn.Linear)]
    norms = [m.normalized_shape[0] for m in head.modules() if isinstance(m, nn.LayerNorm)]
    if widths and norms and widths[0] != norms[0]:
        raise ValueError(
            f"the model's head takes {widths[0]} numbers and a token has {norms[0]}: it joins the "
            "class token with others, so that no score of a block follows"
        )
    return head


def _module(model: nn.Module, path: str) -> nn.Module | None:
    found: Any = model
    for name in path.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, nn.Module) else None
