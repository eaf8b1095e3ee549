"""One forward pass whose backward pass can follow the plain or the guided rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _Rectify(torch.autograd.Function):
    """ReLU capped at `ceiling`, whose backward clips negative gradients while `rule.guided`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: GuidedReLU, ceiling: float, inplace: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(x)
            output = x.clamp_(0, ceiling)
        else:
            output = x.clamp(0, ceiling)
        ctx.save_for_backward(output)
        ctx.rule, ctx.ceiling = rule, ceiling
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (output,) = ctx.saved_tensors
        (gradient,) = gradients
        passed = gradient * ((output > 0) & (output < ctx.ceiling))
        if ctx.rule.guided:
            passed = passed.clamp_(min=0)
        return passed, None, None, None


class GuidedReLU(TorchFunctionMode):
    """Route every ReLU called inside the block through one whose backward rule can be switched.

    Calls are caught where torch dispatches them, so in-place, reused, functional and method forms
    are all alike, and neither the model nor its hooks are touched. Set `guided` before a backward
    pass to choose guided backpropagation (Springenberg et al., 2015): a gradient passes where it
    is positive and the unit was active. `num_caught` counts the calls.

    ReLUs inside a TorchScript module cannot be seen: `require_visible` refuses those.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guided = False
        self.num_caught = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        form = _RECTIFIERS.get(func)
        if form is None:
            return func(*args, **kwargs)
        ceiling, always_inplace = form
        x = args[0] if args else kwargs["input"]
        if func in _HARDTANH:
            bounds = (
                *args[1:3],
                *(kwargs[name] for name in ("min_val", "max_val") if name in kwargs),
            )
            if len(bounds) != 2 or bounds[0] != 0:
                return func(*args, **kwargs)
            ceiling = float(bounds[1])
        position = 3 if func in _HARDTANH else 1
        inplace = always_inplace or kwargs.get(
            "inplace", args[position] if len(args) > position else False
        )
        self.num_caught += 1
        return _Rectify.apply(x, self, ceiling, bool(inplace))


_INFINITY = float("inf")
_HARDTANH = frozenset({F.hardtanh, F.hardtanh_})
_RECTIFIERS: dict[Any, tuple[float, bool]] = {
    F.relu: (_INFINITY, False),
    F.relu_: (_INFINITY, True),
    torch.relu: (_INFINITY, False),
    torch.relu_: (_INFINITY, True),
    Tensor.relu: (_INFINITY, False),
    Tensor.relu_: (_INFINITY, True),
    F.relu6: (6.0, False),
    F.hardtanh: (1.0, False),
    F.hardtanh_: (1.0, True),
}


def require_visible(model: nn.Module) -> None:
    """Raise ValueError where guided backpropagation could not reach the model's ReLUs."""
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(
                f"guided backpropagation cannot see the ReLUs inside the TorchScript module "
                f"{name or 'that is the model'}; load the model from its Python code instead"
            )


@contextmanager
def captured(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the outputs of a module inside the block.

    Each is the tensor that the graph holds; what follows gets a copy, so that an in-place layer
    behind it cannot overwrite what was captured.
    """
    outputs: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()

    handle = module.register_forward_hook(hook)
    try:
        yield outputs
    finally:
        handle.remove()
