"""How concentrated a saliency is; no pass of the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from swag.checks import require_finite, require_fit
from swag.signals import Signals
from swag.types import Score


@dataclass(frozen=True, kw_only=True)
class Sparseness:
    """Gini index of the saliency's magnitudes (Chalasani et al., ICML 2020).

    0: every pixel is as important; towards 1: one pixel is. Null where all are 0.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        share_BP = _shares(signals, saliency_BHW).sort(1).values
        count = share_BP.shape[1]
        place_P = torch.arange(1, count + 1, dtype=torch.float64, device=share_BP.device)
        return Score(value_B=1 - 2 * (share_BP * ((count - place_P + 0.5) / count)).sum(1))


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """Entropy of the pixels' shares of a saliency's magnitude, in nats (Bhatt et al., 2020).

    0: one pixel has all of it; log(H W): all have as much. Null where all are 0.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        share_BP = _shares(signals, saliency_BHW)
        return Score(value_B=-torch.special.xlogy(share_BP, share_BP).sum(1))


def _shares(signals: Signals, saliency_BHW: Tensor) -> Tensor:
    """Return share_BP, float64, each pixel's part of the sum of magnitudes; NaN where that is 0."""
    require_fit(signals, saliency_BHW)
    require_finite(saliency_BHW)
    size_BP = saliency_BHW.flatten(1).double().abs()
    return size_BP / size_BP.sum(1, keepdim=True)
