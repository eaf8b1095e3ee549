"""Explanations of vision transformers by their attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from swag.attention import attention_maps
from swag.signals import Signals
from swag.types import Kind


@dataclass(frozen=True, kw_only=True)
class AttentionRollout:
    """Attention of all layers multiplied, half of each passing by (Abnar and Zuidema, 2020).

    It knows no class: every target of an image has the same map.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()
    num_forwards: ClassVar[int] = 1

    def __call__(self, signals: Signals) -> Tensor:
        return attention_maps(signals, lambda attention, _: rollout(attention))


@dataclass(frozen=True, kw_only=True)
class GenericAttention:
    """Attention weighted by its positive gradient, added up (Chefer et al., ICCV 2021, eq. 5-6)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()
    num_forwards: ClassVar[int] = 1
    num_backwards: ClassVar[int] = 1

    def __call__(self, signals: Signals) -> Tensor:
        return attention_maps(signals, weighted_by_gradient)


def rollout(attention: list[Tensor]) -> Tensor:
    """Return relevance_BNN: the product of the layers' mean attention and identity, halved."""
    identity_NN = torch.eye(attention[0].shape[-1], device=attention[0].device)
    relevance_BNN = identity_NN
    for layer_BhNN in attention:
        relevance_BNN = (layer_BhNN.detach().mean(1) + identity_NN) / 2 @ relevance_BNN
    return relevance_BNN


def weighted_by_gradient(attention: list[Tensor], score_B: Tensor) -> Tensor:
    """Return relevance_BNN, which grows layer by layer and begins as identity."""
    gradients = torch.autograd.grad(score_B.sum(), attention)
    size = attention[0].shape[-1]
    relevance_BNN = torch.eye(size, device=score_B.device).expand(len(score_B), -1, -1)
    for layer_BhNN, gradient_BhNN in zip(attention, gradients, strict=True):
        weighted_BNN = (gradient_BhNN * layer_BhNN.detach()).clamp(min=0).mean(1)
        relevance_BNN = relevance_BNN + weighted_BNN @ relevance_BNN
    return relevance_BNN
