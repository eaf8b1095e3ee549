"""What a model puts out, and what of it is a class's score."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Output = Literal["softmax", "sigmoid", "logit", "none"]
"""How scores come from a model's outputs: "softmax" over classes that exclude each other, "sigmoid"
of each class alone (several labels, or one output for yes and no), "logit" the output itself, or
"none" where the model gives probabilities already."""

_NAMES = ("logits", "out", "output")
_CLOSE = 1e-3


def tensor_of(output: object) -> Tensor:
    """Return the (B, K) tensor in a model's output.

    It may be the tensor itself, (B,) where there is one class, an object with `logits` (as of
    Hugging Face's models), a mapping with "logits", "out" or "output", or a tuple that begins with
    one of them.

    Raises:
        ValueError: there is no such tensor.
    """
    found = output
    if isinstance(found, Mapping):
        found = next((found[name] for name in _NAMES if name in found), found)
    elif not isinstance(found, Tensor) and hasattr(found, "logits"):
        found = found.logits
    elif isinstance(found, tuple | list) and found:
        return tensor_of(found[0])
    if not isinstance(found, Tensor):
        held = f" with {', '.join(map(str, found))}" if isinstance(found, Mapping) else ""
        raise ValueError(
            f"the model returned a {type(output).__name__}{held}; wanted a tensor of shape (B, K), "
            "or an object, mapping or tuple with such `logits`"
        )
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise ValueError(
            f"the model returned a tensor of shape {tuple(found.shape)}, wanted (B, K): one number "
            "for each image and class"
        )
    return found


def logits_of(output: object, kind: Output) -> Tensor:
    """Return the number of each class whose gradient explainers take, logit_BK.

    One output alone stands for two classes: 1 is what it is for, 0 is against it.

    Raises:
        ValueError: as `tensor_of`; or a softmax is asked of one output, which would always be 1.
    """
    output_BK = tensor_of(output)
    if output_BK.shape[1] > 1:
        return output_BK
    if kind == "softmax":
        raise ValueError(
            "the model has one output, and the softmax of one number is always 1; "
            "use output='sigmoid' (or 'logit', or 'none' if it is a probability already)"
        )
    other_B1 = 1 - output_BK if kind == "none" else -output_BK
    return torch.cat([other_B1, output_BK], 1)


def scores_of(logit_BK: Tensor, kind: Output) -> Tensor:
    """Return the score of each class, score_BK: a probability, but for "logit"."""
    if kind == "softmax":
        return logit_BK.softmax(1)
    return logit_BK.sigmoid() if kind == "sigmoid" else logit_BK


def check_outputs(logit_BK: Tensor, kind: Output) -> None:
    """Say so where a model's outputs do not look like what they are taken for.

    Raises:
        ValueError: they are taken for probabilities and do not lie in [0, 1].
    """
    low, high = float(logit_BK.min()), float(logit_BK.max())
    sums_to_one = bool(((logit_BK.sum(1) - 1).abs() < _CLOSE).all())
    if kind == "none" and not (low >= 0 and high <= 1):
        raise ValueError(
            f"output='none' takes the model's outputs for probabilities, and they lie in "
            f"[{low:g}, {high:g}]; use output='softmax', 'sigmoid' or 'logit'"
        )
    if kind == "none" and not sums_to_one:
        warnings.warn(
            "the model's probabilities do not sum to 1: each class is scored by its own; "
            "that is right for several labels, and wrong if these are no probabilities",
            stacklevel=2,
        )
    if kind == "softmax" and low >= 0 and sums_to_one:
        warnings.warn(
            "the model's outputs look like probabilities already, of which the softmax is taken "
            "once more; if they are, use output='none'",
            stacklevel=2,
        )
