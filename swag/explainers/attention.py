"""Explanations of vision transformers by their attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from swag.attention import attention_maps
from swag.signals import Signals
from swag.towers import tower_of
from swag.types import Kind


@dataclass(frozen=True, kw_only=True)
class AttentionRollout:
    """Attention of all layers multiplied, half of each passing by (Abnar and Zuidema, 2020).

    It knows no class: every target of an image has the same map.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_of_model: ClassVar[str] = "attention among all tokens"
    num_forwards: ClassVar[int] = 1

    def __call__(self, signals: Signals) -> Tensor:
        return attention_maps(signals, lambda attention, *_: rollout(attention))


@dataclass(frozen=True, kw_only=True)
class GenericAttention:
    """Attention weighted by its positive gradient, added up (Chefer et al., ICCV 2021, eq. 5-6)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_of_model: ClassVar[str] = "attention among all tokens"
    num_forwards: ClassVar[int] = 1
    num_backwards: ClassVar[int] = 1

    def __call__(self, signals: Signals) -> Tensor:
        return attention_maps(signals, weighted_by_gradient)


@dataclass(frozen=True, kw_only=True)
class LeGrad:
    """Each layer's class score, differentiated by that layer's attention (Bousselham et al., 2025).

    Eq. 5-9: positive gradients are averaged over heads, querying tokens and layers; the score of a
    layer is what the model's head says of the mean of its tokens. ICCV 2025.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_of_model: ClassVar[str] = "attention among all tokens, blocks and a head"
    num_forwards: ClassVar[int] = 1
    num_backwards: ClassVar[int] = 1
    """One for each layer in truth, through that layer alone."""

    def __call__(self, signals: Signals) -> Tensor:
        tower = tower_of(signals.classifier.model)
        with tower.recorded() as tokens:

            def formed(attention: list[Tensor], _: Tensor, target_B1: Tensor) -> Tensor:
                return formation(attention, tower.scores(tokens, target_B1))

            return attention_maps(signals, formed)


def formation(attention: list[Tensor], score_LB: list[Tensor]) -> Tensor:
    """Return relevance_BNN, the same for each token: the layers' mean positive gradient."""
    if len(attention) != len(score_LB):
        raise ValueError(
            f"the model has {len(score_LB)} blocks and {len(attention)} layers of attention among "
            "all tokens; legrad wants one in each"
        )
    of_layers = []
    for layer_BhNN, score_B in zip(attention, score_LB, strict=True):
        (gradient_BhNN,) = torch.autograd.grad(score_B.sum(), layer_BhNN, retain_graph=True)
        of_layers.append(gradient_BhNN.clamp(min=0).mean((1, 2)))
    relevance_BN = torch.stack(of_layers).mean(0)
    return relevance_BN[:, None].expand(-1, relevance_BN.shape[1], -1)


def rollout(attention: list[Tensor]) -> Tensor:
    """Return relevance_BNN: the product of the layers' mean attention and identity, halved."""
    identity_NN = torch.eye(attention[0].shape[-1], device=attention[0].device)
    relevance_BNN = identity_NN
    for layer_BhNN in attention:
        relevance_BNN = (layer_BhNN.detach().mean(1) + identity_NN) / 2 @ relevance_BNN
    return relevance_BNN


def weighted_by_gradient(attention: list[Tensor], logit_BK: Tensor, target_B1: Tensor) -> Tensor:
    """Return relevance_BNN, which grows layer by layer and begins as identity."""
    gradients = torch.autograd.grad(logit_BK.gather(1, target_B1).sum(), attention)
    size = attention[0].shape[-1]
    relevance_BNN = torch.eye(size, device=logit_BK.device).expand(len(logit_BK), -1, -1)
    for layer_BhNN, gradient_BhNN in zip(attention, gradients, strict=True):
        weighted_BNN = (gradient_BhNN * layer_BhNN.detach()).clamp(min=0).mean(1)
        relevance_BNN = relevance_BNN + weighted_BNN @ relevance_BNN
    return relevance_BNN
