"""Which pixel goes when: exact ranks with a stated rule for ties."""

from __future__ import annotations

import torch
from torch import Tensor

from swag.checks import require_finite, require_fit
from swag.signals import Signals


def shared_step(signals: Signals, saliency_BHW: Tensor, steps: int) -> Tensor:
    """Return `removal_step`; metrics that judge one saliency after another rank it once.

    Raises:
        ValueError: the saliency does not fit the images, or is not finite.
    """
    require_fit(signals, saliency_BHW)
    saliency_BHW = saliency_BHW.float()
    latest: dict[int, tuple[Tensor, Tensor]] = signals.once("removal_step", dict)
    # Compared by content, because the caller may write into its tensor between two metrics.
    if steps not in latest or not torch.equal(latest[steps][0], saliency_BHW):
        latest[steps] = saliency_BHW.clone(), removal_step(saliency_BHW, steps)
    return latest[steps][1]


def removal_step(saliency_BHW: Tensor, steps: int) -> Tensor:
    """Return for each pixel the step, from 0, at which it goes; int32 (B, H, W).

    The order is stable and descending: of equally salient pixels the first in row-major order goes
    first. Region methods tie within each superpixel, so this rule is part of the result.

    Raises:
        ValueError: a saliency is not finite.
    """
    require_finite(saliency_BHW)
    batch, height, width = saliency_BHW.shape
    order_BP = descending_order(saliency_BHW.flatten(1))
    per_step = -(-height * width // steps)
    step_P = torch.arange(height * width, device=order_BP.device) // per_step
    step_BP = torch.empty_like(order_BP).scatter_(1, order_BP, step_P.expand(batch, -1))
    return step_BP.view(batch, height, width).int()


def descending_order(value_BP: Tensor) -> Tensor:
    """Return the stable descending order of each row of float32 values as int64 indices.

    Each value and its index become one integer, all different: any sorting algorithm then gives the
    one stable order, on every processor.
    """
    bits = (value_BP.float() + 0.0).contiguous().view(torch.int32).long()  # + 0.0 makes -0.0 0.0
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    key = ((-1 - ascending) << 32) | torch.arange(value_BP.shape[1], device=value_BP.device)
    if key.device.type == "cpu":
        key.numpy().sort(1)  # several times as fast as torch's
    else:
        key = key.sort(1).values
    return key & 0xFFFFFFFF
