"""Connected pieces of label images, all images at once, cut as scikit-image's `slic` cuts them.

Pixels are scanned row by row. Each new piece grows breadth-first from its first pixel over equal
labels until nothing is left or it is full; one that stays too small joins a piece found before.
Here all pieces of all images grow at once. The images lie in one vector, framed by pixels of label
-1, so that a pixel's neighbours are at fixed distances: the frame's width, `stride`, and one.

Shape suffixes: N framed pixels of all images, Q pixels in the order in which they are reached,
E pairs of neighbours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def connect(labels_BHW: Tensor, *, min_size: int, max_size: int) -> Tensor:
    """Return labels_BHW of 4-connected pieces, numbered from 0 by their first pixels, without gaps.

    Pieces are cut at `max_size` pixels; what has less than `min_size` then joins a neighbour.
    """
    batch, height, width = labels_BHW.shape
    stride = width + 1
    label_N = F.pad(F.pad(labels_BHW, (0, 1, 1, 0), value=-1).flatten(), (0, stride), value=-1)
    first_N = _cut(label_N, stride, max_size)
    pixel_N = torch.arange(len(label_N), device=label_N.device)
    count_N = torch.bincount(first_N, minlength=len(label_N))
    is_first_N = (first_N == pixel_N) & (label_N >= 0)
    is_kept_N = is_first_N & (count_N >= min_size)
    small_Q = (is_first_N & ~is_kept_N).nonzero()[:, 0]
    goal_N = _joined(first_N.where(label_N >= 0, -1), stride, small_Q)
    number_N = is_kept_N.cumsum(0) - is_kept_N.long()
    number_BHW = number_N[goal_N[first_N]][:-stride].view(batch, height + 1, stride)
    return (number_BHW - number_N[: -stride : (height + 1) * stride].view(-1, 1, 1))[:, 1:, :-1]


def components(label_N: Tensor, stride: int) -> Tensor:
    """Return the first pixel of each pixel's connected component."""
    starts_N = F.pad(label_N[1:] != label_N[:-1], (1, 0), value=True)
    run_N = starts_N.cumsum(0) - 1
    meets = (label_N[stride:] == label_N[:-stride]) & (starts_N[stride:] | starts_N[:-stride])
    upper_E = meets.nonzero()[:, 0]
    start_of_run = starts_N.nonzero()[:, 0]
    low_E, high_E = run_N[upper_E], run_N[upper_E + stride]
    parent = torch.arange(len(start_of_run), device=label_N.device)
    while len(low_E):
        low_E, high_E = torch.minimum(low_E, high_E), torch.maximum(low_E, high_E)
        parent.scatter_reduce_(0, high_E, low_E, "amin")
        parent = _followed(parent)
        low_E, high_E = parent[low_E], parent[high_E]
        apart = low_E != high_E
        low_E, high_E = low_E[apart], high_E[apart]
    return start_of_run[parent][run_N]


def _followed(parent: Tensor) -> Tensor:
    """Return where following the parents ends."""
    while True:
        further = parent[parent]
        if torch.equal(further, parent):
            return parent
        parent = further


def _cut(label_N: Tensor, stride: int, max_size: int) -> Tensor:
    """Return the first pixel of each pixel's piece."""
    while True:
        first_N = components(label_N, stride)
        count_N = torch.bincount(first_N, minlength=len(first_N)) * (label_N >= 0)
        large_Q = (count_N > max_size).nonzero()[:, 0]
        if not len(large_Q):
            return first_N
        pixel_Q = _breadth_first(label_N, stride, large_Q)
        # Sorted by piece, a pixel's place minus its piece's first place is when it was reached.
        pixel_Q = pixel_Q[first_N[pixel_Q].argsort(stable=True)]
        count_P = count_N[large_Q]
        place_Q = torch.arange(len(pixel_Q), device=label_N.device)
        place_Q = place_Q - (count_P.cumsum(0) - count_P).repeat_interleave(count_P)
        taken = pixel_Q[place_Q < max_size]
        label_N = label_N.clone()
        label_N[taken] = len(label_N) + first_N[taken]


def _joined(piece_N: Tensor, stride: int, small_Q: Tensor) -> Tensor:
    """Return the piece that each piece becomes part of, both named by their first pixels.

    A small piece follows the last neighbour found before it that its own growth came upon.
    """
    pixel_Q = _breadth_first(piece_N, stride, small_Q)
    own_E = piece_N[pixel_Q].repeat_interleave(4)
    near_E = piece_N[_neighbours(pixel_Q, stride)].flatten()
    before = ((near_E >= 0) & (near_E < own_E)).nonzero()[:, 0]
    last_N = torch.full_like(piece_N, -1)
    last_N.scatter_reduce_(0, own_E[before], before, "amax")
    goal_N = torch.arange(len(piece_N), device=piece_N.device)
    joining = small_Q[last_N[small_Q] >= 0]
    goal_N[joining] = near_E[last_N[joining]]
    return _followed(goal_N)


def _breadth_first(label_N: Tensor, stride: int, seed_Q: Tensor) -> Tensor:
    """Return the pixels of the seeds' pieces, pixel_Q, in the order in which queues reach them.

    The queues of all pieces are one, which keeps each one's own order.
    """
    never = torch.iinfo(torch.int64).max
    turn_N = torch.full_like(label_N, never)
    turn_N[seed_Q] = 0
    fronts = [seed_Q]
    while len(fronts[-1]):
        front_Q = fronts[-1]
        near_Q4 = _neighbours(front_Q, stride)
        is_new_Q4 = (label_N[near_Q4] == label_N[front_Q, None]) & (turn_N[near_Q4] == never)
        near_E = near_Q4[is_new_Q4]
        turn_E = torch.arange(len(near_E), device=label_N.device)
        turn_N.scatter_reduce_(0, near_E, turn_E, "amin")
        fronts.append(near_E[turn_N[near_E] == turn_E])
    return torch.cat(fronts)


def _neighbours(pixel_Q: Tensor, stride: int) -> Tensor:
    """Return each pixel's neighbours to the right, left, below and above."""
    return pixel_Q[:, None] + torch.tensor([1, -1, stride, -stride], device=pixel_Q.device)
