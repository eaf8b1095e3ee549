"""Statistics of a value over superpixels."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from swag.checks import require_one_of

Statistic = Literal["mean", "max", "median", "sum"]


def pool(value_BHW: Tensor, labels_BHW: Tensor, statistic: Statistic) -> Tensor:
    """Return at each pixel the statistic of its superpixel's float32 values, summed in float64.

    The median of an even number of values is the mean of the middle two.
    """
    require_one_of("statistic", statistic, get_args(Statistic))
    if value_BHW.shape != labels_BHW.shape:
        shapes = f"{tuple(value_BHW.shape)} and {tuple(labels_BHW.shape)}"
        raise ValueError(f"values and labels must have one shape, got {shapes}")
    num_per_image = int(labels_BHW.max()) + 1
    first_B = torch.arange(len(labels_BHW), device=labels_BHW.device) * num_per_image
    index_N = (labels_BHW + first_B[:, None, None]).flatten()
    pooled_S = _REDUCE[statistic](value_BHW.flatten(), index_N, len(first_B) * num_per_image)
    return pooled_S.float()[index_N].view_as(value_BHW)


def _sum(value_N: Tensor, index_N: Tensor, size: int) -> Tensor:
    if value_N.device.type == "cpu":
        return torch.bincount(index_N, value_N.double(), minlength=size)
    # Sorts before it adds, where `bincount` would add in any order.
    total_S = value_N.new_zeros(size, dtype=torch.float64)
    return total_S.index_put_((index_N,), value_N.double(), accumulate=True)


def _mean(value_N: Tensor, index_N: Tensor, size: int) -> Tensor:
    return _sum(value_N, index_N, size) / torch.bincount(index_N, minlength=size)


def _max(value_N: Tensor, index_N: Tensor, size: int) -> Tensor:
    return value_N.new_full((size,), -math.inf).scatter_reduce(0, index_N, value_N, "amax")


def _median(value_N: Tensor, index_N: Tensor, size: int) -> Tensor:
    # One sort by superpixel and then value: read as integers, floats ascend but for the sign's bit.
    bits_N = value_N.float().contiguous().view(torch.int32)
    rank_N = bits_N ^ ((bits_N >> 31) & torch.iinfo(torch.int32).max)
    sorted_N = value_N[((index_N << 32) + rank_N).argsort()].double()
    count_S = torch.bincount(index_N, minlength=size)
    end_S = count_S.cumsum(0)
    middle_S = torch.stack([end_S - count_S // 2 - 1, end_S - (count_S + 1) // 2])
    return sorted_N[middle_S.clamp(min=0, max=len(sorted_N) - 1)].mean(0)


_REDUCE = {"sum": _sum, "mean": _mean, "max": _max, "median": _median}
