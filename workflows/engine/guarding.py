"""What an explainer may not do: change the model for others, or return what is no saliency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restore a model's modes, hooks, gradients and parameters' types after the block.

    Raises:
        ValueError: the block left one of them changed; it names the first.
    """
    before = _state(model)
    try:
        yield
    finally:
        changed = _restore(model, before)
    if changed:
        raise ValueError(f"the model was left changed, which would reach other methods: {changed}")


def _state(model: nn.Module) -> Mapping[str, Any]:
    return {
        "modes": [module.training for module in model.modules()],
        "hooks": [[dict(getattr(module, kind)) for kind in _HOOKS] for module in model.modules()],
        "parameters": [(p, p.data, p.requires_grad) for p in model.parameters()],
    }


def _restore(model: nn.Module, before: Mapping[str, Any]) -> str | None:
    """Put back what has changed; return what that was."""
    changed: list[str] = []
    names = dict(model.named_modules())
    for (name, module), mode, hooks in zip(
        names.items(), before["modes"], before["hooks"], strict=False
    ):
        where = name or "the whole of it"
        if module.training != mode:
            module.training = mode
            changed.append(f"{where} is in {'evaluation' if mode else 'training'} mode")
        for kind, held in zip(_HOOKS, hooks, strict=True):
            current = getattr(module, kind)
            if dict(current) != held:
                current.clear()
                current.update(held)
                changed.append(f"{where} has other hooks")
    for parameter, data, requires_grad in before["parameters"]:
        if parameter.data.dtype != data.dtype:
            parameter.data = data
            changed.append("its parameters are of another type")
        if parameter.grad is not None or parameter.requires_grad != requires_grad:
            parameter.grad = None
            parameter.requires_grad_(requires_grad)
            changed.append("its parameters have gradients")
    return changed[0] if changed else None


def require_saliency(saliency_BHW: object, image_BCHW: Tensor) -> Tensor:
    """Return what an explainer returned, if it is one number for each pixel.

    Raises:
        ValueError: it is something else.
    """
    wanted = (len(image_BCHW), *image_BCHW.shape[2:])
    if not isinstance(saliency_BHW, Tensor):
        kind = type(saliency_BHW).__name__
        raise ValueError(f"the explainer returned a {kind}, wanted a tensor of shape {wanted}")
    if saliency_BHW.shape != wanted or not saliency_BHW.is_floating_point():
        raise ValueError(
            f"the explainer returned {saliency_BHW.dtype} of shape {tuple(saliency_BHW.shape)}, "
            f"wanted float32 of shape {wanted}"
        )
    return saliency_BHW.detach().to(image_BCHW.device, torch.float32)
