"""Class activation maps: a layer's channels weighted by the target's gradient or scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from swag.checks import require_at_least, require_one_of
from swag.importance import pixel_importance
from swag.packing import CopiesOfImage, reads, target_scores
from swag.signals import Signals
from swag.types import Kind, TargetScore


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


@dataclass(frozen=True, kw_only=True)
class ScoreCAM:
    """Channels weighted by the target's scores on images that they mask (Wang et al., 2020).

    The weights are a softmax over channels (algorithm 1). A channel's mask is its activation at the
    image's size, brought to 0..1; it multiplies the normalised image. The paper subtracts the score
    of an image without pixels, which is the same for all channels: the softmax does not see it.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset({"layer_activation"})

    num_channels: int = 512
    """At most; of a layer with more those that vary most from cell to cell. VGG16 has 512."""
    score: TargetScore = "logit"

    def __post_init__(self) -> None:
        require_at_least("num_channels", self.num_channels, 1)
        require_one_of("score", self.score, get_args(TargetScore))

    @property
    def num_forwards(self) -> int:
        """Model passes per image at most; one for each channel that there is."""
        return self.num_channels

    def __call__(self, signals: Signals) -> Tensor:
        x_BCHW, activation_BFhw = signals.normalised_BCHW, signals.layer_activation_BFhw
        spread_BF = activation_BFhw.double().flatten(2).std(2, correction=0)
        chosen_BN = spread_BF.argsort(dim=1, descending=True, stable=True)[:, : self.num_channels]

        def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
            channels_T = chosen_BN[part.image, part.first : part.last]
            mask_THW = enlarged(activation_BFhw[part.image, channels_T], x_BCHW.shape[2:])
            torch.mul(x_BCHW[part.image], mask_THW[:, None], out=copies_TCHW)

        counts = [chosen_BN.shape[1]] * len(x_BCHW)
        scores = target_scores(signals, counts, perturb, reads(signals.classifier, self.score))
        weight_BF = torch.zeros_like(spread_BF, dtype=torch.float32)
        weight_BF.scatter_(1, chosen_BN, torch.stack(scores).softmax(1))
        return weighted_map(signals, weight_BF)


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


def enlarged(map_Thw: Tensor, size: torch.Size) -> Tensor:
    """Return mask_THW in [0, 1]: maps at an image's size, stretched; 0 where a map is constant."""
    mask_THW = F.interpolate(map_Thw[None], size=size, mode="bilinear", align_corners=False)[0]
    low_T11 = mask_THW.amin((1, 2), keepdim=True)
    extent_T11 = mask_THW.amax((1, 2), keepdim=True) - low_T11
    return (mask_THW - low_T11) / extent_T11.where(extent_T11 > 0, 1.0)
