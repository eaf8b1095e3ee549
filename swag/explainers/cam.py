"""Class activation maps: a layer's channels weighted by the target's gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from swag.importance import pixel_importance
from swag.signals import Signals
from swag.types import Kind


@dataclass(frozen=True, kw_only=True)
class GradCAM:
    """ReLU of the channels weighted by their mean gradient (Selvaraju et al., 2017, eq. 1-2)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset({"layer"})

    def __call__(self, signals: Signals) -> Tensor:
        weight_BF = signals.layer_gradient_BFhw.mean((2, 3))
        return weighted_map(signals, weight_BF)


@dataclass(frozen=True, kw_only=True)
class GradCAMPlusPlus:
    """Channels weighted by their positive gradients (Chattopadhyay et al., 2018, eq. 10, 19).

    As in widespread ports of the authors' code, the weights alpha of a channel sum to one over the
    cells whose gradient is positive. The factor exp(score) scales a whole map and is left out: it
    changes no ranking and overflows.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset({"layer"})

    def __call__(self, signals: Signals) -> Tensor:
        activation_BFhw = signals.layer_activation_BFhw.double()
        gradient_BFhw = signals.layer_gradient_BFhw.double()
        square_BFhw = gradient_BFhw**2
        total_BF11 = activation_BFhw.sum((2, 3), keepdim=True)
        alpha_BFhw = _divide(square_BFhw, 2 * square_BFhw + gradient_BFhw**3 * total_BF11)
        alpha_BFhw = alpha_BFhw * (gradient_BFhw > 0)
        alpha_BFhw = _divide(alpha_BFhw, alpha_BFhw.sum((2, 3), keepdim=True))
        weight_BF = (alpha_BFhw * gradient_BFhw.relu()).sum((2, 3))
        return weighted_map(signals, weight_BF.float())


@dataclass(frozen=True, kw_only=True)
class XGradCAM:
    """Channels weighted by their gradients' mean over their activation (Fu et al., 2020).

    A channel whose activation adds up to zero counts nothing.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset({"layer"})

    def __call__(self, signals: Signals) -> Tensor:
        activation_BFhw = signals.layer_activation_BFhw.double()
        product_BF = (activation_BFhw * signals.layer_gradient_BFhw).sum((2, 3))
        total_BF = activation_BFhw.sum((2, 3))
        weight_BF = (product_BF / total_BF).where(total_BF != 0, 0.0)
        return weighted_map(signals, weight_BF.float())


@dataclass(frozen=True, kw_only=True)
class HiResCAM:
    """Each cell of each channel weighted by its own gradient (Draelos and Carin, 2020)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset({"layer"})

    def __call__(self, signals: Signals) -> Tensor:
        return weighted_map(signals, signals.layer_gradient_BFhw)


@dataclass(frozen=True, kw_only=True)
class LayerCAM:
    """Each cell weighted by its own positive gradient (Jiang et al., 2021, eq. 5-7)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset({"layer"})

    def __call__(self, signals: Signals) -> Tensor:
        return weighted_map(signals, signals.layer_gradient_BFhw.relu())


@dataclass(frozen=True, kw_only=True)
class GuidedGradCAM:
    """Grad-CAM times the guided gradient's largest magnitude (Selvaraju et al., 2017)."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"guided_gradient", "layer"})

    def __call__(self, signals: Signals) -> Tensor:
        return pixel_importance(signals, "guided_gradient") * GradCAM()(signals)


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Divide, taking a zero denominator for one as the authors' code does."""
    return numerator / denominator.where(denominator != 0, 1.0)


def weighted_map(signals: Signals, weight: Tensor) -> Tensor:
    """Return the ReLU of the weighted sum of channels at the image's size, bilinear.

    Args:
        weight: of each channel, weight_BF, or of each of its cells, weight_BFhw.
    """
    if weight.ndim == 2:
        weight = weight[:, :, None, None]
    map_B1hw = (signals.layer_activation_BFhw * weight).sum(1, keepdim=True)
    size = signals.batch.image_BCHW.shape[2:]
    return F.interpolate(map_B1hw.relu(), size=size, mode="bilinear", align_corners=False)[:, 0]
