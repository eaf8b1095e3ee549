"""Which pixel goes when: exact ranks with a stated rule for ties."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from swag.checks import require_finite, require_fit
from swag.protocols import Segmenter
from swag.signals import Signals
from swag.superpixels.grid import Pixel
from swag.superpixels.pooling import pool


class Ranks(NamedTuple):
    """When each pixel goes, beside the others of its image."""

    rank_BHW: Tensor
    """int64 from 0; pixels of a unit have one rank."""
    count_B: Tensor
    """int64: units of an image, which is one more than its highest rank."""


def shared_ranks(
    signals: Signals, saliency_BHW: Tensor, unit: Segmenter, *, least_first: bool = False
) -> Ranks:
    """Return `ranks`; metrics that judge one saliency after another rank it once.

    Raises:
        ValueError: the saliency does not fit the images, or is not finite.
    """
    require_fit(signals, saliency_BHW)
    saliency_BHW = saliency_BHW.float()
    latest: dict[object, tuple[Tensor, Ranks]] = signals.once("ranks", dict)
    key = (unit, least_first)
    # Compared by content, because the caller may write into its tensor between two metrics.
    if key not in latest or not torch.equal(latest[key][0], saliency_BHW):
        labels_BHW = None if unit == Pixel() else signals.segments(unit)
        value_BHW = -saliency_BHW if least_first else saliency_BHW
        latest[key] = saliency_BHW.clone(), ranks(value_BHW, labels_BHW)
    return latest[key][1]


def ranks(value_BHW: Tensor, labels_BHW: Tensor | None = None) -> Ranks:
    """Return the ranks of pixels, or of units by their mean value, the highest first.

    The order is stable: of equal pixels the first in row-major order goes first, of equal units
    that with the lowest label. Region methods tie within each superpixel, so this rule is part of
    the result.

    Raises:
        ValueError: a value is not finite.
    """
    require_finite(value_BHW)
    if labels_BHW is None:
        count = value_BHW[0].numel()
        rank_BP = _places(descending_order(value_BHW.flatten(1)))
        return Ranks(rank_BP.view_as(value_BHW), torch.full((len(value_BHW),), count))
    labels_BP = labels_BHW.flatten(1)
    mean_BP = pool(value_BHW.float(), labels_BHW, "mean").flatten(1)
    # Labels that an image does not have come last.
    mean_BS = mean_BP.new_full((len(mean_BP), int(labels_BP.max()) + 1), -math.inf)
    mean_BS.scatter_(1, labels_BP, mean_BP)
    rank_BS = _places(descending_order(mean_BS))
    return Ranks(rank_BS.gather(1, labels_BP).view_as(labels_BHW), labels_BP.amax(1).cpu() + 1)


def _places(order_BP: Tensor) -> Tensor:
    """Return the place of each index in an order."""
    place_P = torch.arange(order_BP.shape[1], device=order_BP.device)
    return torch.empty_like(order_BP).scatter_(1, order_BP, place_P.expand_as(order_BP))


def removal_step(saliency_BHW: Tensor, steps: int) -> Tensor:
    """Return for each pixel the step, from 0, at which it goes; int32 (B, H, W).

    Each step but the last is of ceil(H W / steps) pixels.

    Raises:
        ValueError: a saliency is not finite.
    """
    return step_of(ranks(saliency_BHW), steps)


def step_of(found: Ranks, steps: int) -> Tensor:
    """Return `removal_step` of pixels whose ranks are known."""
    per_step = -(-found.rank_BHW[0].numel() // steps)
    return (found.rank_BHW // per_step).int()


def step_by_shares(found: Ranks, shares: tuple[float, ...]) -> Tensor:
    """Return for each pixel the last point, from 0, at which it is still there; int32 (B, H, W).

    At the point t, of n units the first floor(shares[t] n) are gone; -1 where a pixel is never
    there.
    """
    # 0.7 * 10 is a little less than 7 in floating point, and means 7.
    gone_BT = (torch.tensor(shares, dtype=torch.float64) * found.count_B[:, None] + 1e-9).long()
    rank_BP = found.rank_BHW.flatten(1)
    gone_BT = gone_BT.to(rank_BP.device)
    step_BP = torch.searchsorted(gone_BT, rank_BP, right=True) - 1
    return step_BP.view_as(found.rank_BHW).int()


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
