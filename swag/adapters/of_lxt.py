"""lxt's layer-wise relevance propagation of transformers (Achtibat et al., 2024).

lxt itself writes its rules into classes, PyTorch's and zennit's among them, which all models and
explainers of the process share. Here it writes them into subclasses, which the layers of the copied
model are of for as long as an image is explained; nothing else ever meets them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module, metadata
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from swag.adapters.adapted import OneImage

METHODS = ("AttnLRP", "CP_LRP")
GAMMAS = {"conv_gamma": 0.25, "lin_gamma": 0.05}
"""Of zennit's gamma rule; the middle of the values that lxt's example tries, which names none."""


def accepted(method: str) -> set[str]:
    """Return the names of the parameters that a method takes.

    Raises:
        ValueError: lxt cannot be imported beside the transformers that is installed.
    """
    try:
        _lxt("efficient")
    except (ImportError, RuntimeError) as error:
        raise ValueError(f"lxt:{method} cannot be used: {_why(error)}") from error
    return set(GAMMAS)


def explain(method: str, image: OneImage, _seed: int, parameters: dict[str, Any]) -> Tensor:
    """Return input times gradient by lxt's rules: the relevance of the normalised input."""
    from zennit.composites import LayerMapComposite  # noqa: PLC0415 - not always installed

    model = image.model.model
    if not isinstance(model, VisionTransformer):
        raise ValueError(
            f"lxt:{method} takes torchvision's vision transformers only, got "
            f"{type(model).__name__}: lxt has rules for no other classifier of images"
        )
    gammas, gamma = {**GAMMAS, **parameters}, _gamma()
    composite = LayerMapComposite(
        [
            (nn.Conv2d, gamma(gammas["conv_gamma"])),
            (nn.Linear, gamma(gammas["lin_gamma"])),
        ]
    )
    x_1CHW = image.x_1CHW
    with ruled(model, method), composite.context(model):
        logit_1K = image.model(x_1CHW)
        (gradient_1CHW,) = torch.autograd.grad(logit_1K[:, image.target].sum(), x_1CHW)
    return x_1CHW * gradient_1CHW


@contextmanager
def ruled(model: nn.Module, method: str) -> Iterator[None]:
    """Have the model's layers follow the rules of a method inside the block.

    Both take lxt's rules for torchvision's vision transformers, by which no relevance passes an
    attention's softmax (CP-LRP). AttnLRP replaces that one by what lxt has for others: a product of
    two factors halves its relevance, hence quarters for query and key.
    """
    patches: dict[type[nn.Module], Any] = dict(_lxt("efficient.models.vit_torch").cp_LRP)
    if method == "AttnLRP":
        patch = _lxt("efficient.patches").patch_method
        patches[nn.MultiheadAttention] = partial(patch, _attention(), keep_original=True)
    were = [(module, type(module)) for module in model.modules()]
    patched = {kind: _patched(kind, patches) for _, kind in were}
    try:
        for module, kind in were:
            module.__class__ = patched[kind]
        yield
    finally:
        for module, kind in were:
            module.__class__ = kind


def _patched(kind: type[nn.Module], patches: Mapping[type[nn.Module], Any]) -> type[nn.Module]:
    """Return a subclass with lxt's rule for it; the class itself where it has none."""
    for base, patch in patches.items():
        if issubclass(kind, base) and kind.forward is base.forward:
            own = type(kind.__name__, (kind,), {})
            patch(own)
            return own
    return kind


def _attention() -> Callable[..., Any]:
    """Return what attends as always, and shares out relevance by the uniform rule.

    That is what lxt's `patch_attention` does.
    """
    divide = _lxt("efficient.rules").divide_gradient

    def attend(
        layer: Any, query: Tensor, key: Tensor, value: Tensor, *others: Any, **named: Any
    ) -> Any:
        factors = (divide(query, 4), divide(key, 4), divide(value, 2))
        return layer.original_forward(*factors, *others, **named)

    return attend


def _gamma() -> Any:
    """Return zennit's gamma rule in lxt's form, as a factor of the gradient."""
    from zennit.rules import Gamma  # noqa: PLC0415 - not always installed

    theirs = _lxt("efficient.zennit_patches")
    return type("Gamma", (Gamma,), {"forward": theirs.forward, "backward": theirs.backward})


def _lxt(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(f"lxt.{name}")


def _why(error: Exception) -> str:
    """Return why lxt cannot be imported, and the cure."""
    lxt = f"lxt {metadata.version('lxt')}"
    try:
        transformers = metadata.version("transformers")
    except metadata.PackageNotFoundError:
        return f"{lxt} needs transformers, which is not installed: pip install 'swagflow[lxt]'"
    reason = f"{lxt} cannot be imported beside transformers {transformers} ({error})"
    if int(transformers.partition(".")[0]) >= 5:
        return f"{reason}; it wants one before 5: pip install 'transformers<5'"
    return f"{reason}; try pip install 'swagflow[lxt]'"
