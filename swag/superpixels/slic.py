"""SLIC of many images at once, in PyTorch, on the device where they are.

Step by step the algorithm of scikit-image's `slic`: a grid of centres, rounds of assignment within
windows and of averaging, then connected pieces of bounded size. Each image is cut into square
tiles; a tile's pixels are compared with the centres whose windows reach it. No result depends on
the order of additions, which GPUs leave open: features are rounded so that their sums are exact.
Nothing in a round waits for the device: the tiles' lists of centres have room for more than a grid
has in reach, and it is seen after the last round whether one was too short, and all is done again.

Shape suffixes beside those of `swag.types`: R tiles of all images, A pixels of a tile, t its side,
K centres of an image, P centres that a tile is compared with, D row, column and features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812
from skimage.util import regular_grid
from torch import Tensor

from swag.superpixels.connected import connect

_TILE = 16
_CPU_CHUNK, _GPU_CHUNK = 2**17, 2**24
"""Distances held at once: what a CPU's cache takes, and enough to keep a GPU busy."""


def slic_BHW(features_BHWF: Tensor, num_segments: int, max_iterations: int = 10) -> Tensor:
    """Return labels_BHW: int64 from 0 without gaps, every superpixel 4-connected.

    A pixel's squared distance to a centre is that of the features plus that of the positions in
    units of the grid's step: Hartley et al., eq. 4-6, where features come divided by their weights.

    Raises:
        ValueError: features are not finite.
    """
    labels_BHW = cluster(features_BHWF, num_segments, max_iterations)
    height, width = labels_BHW.shape[1:]
    size = height * width / Grid.of(height, width, num_segments).num_centres
    return connect(labels_BHW, min_size=int(size / 2), max_size=int(3 * size))


def cluster(features_BHWF: Tensor, num_segments: int, max_iterations: int) -> Tensor:
    """Return the number of each pixel's centre, labels_BHW, before pieces are connected."""
    if not bool(torch.isfinite(features_BHWF).all()):
        raise ValueError("SLIC needs finite features, and these hold NaN or infinity")
    batch, height, width, channels = features_BHWF.shape
    grid = Grid.of(height, width, num_segments)
    tiles = _Tiles.of(summable(features_BHWF.double()))
    place_K2 = torch.cartesian_prod(torch.tensor(grid.rows), torch.tensor(grid.columns)).double()
    centre_SD = F.pad(place_K2, (0, channels)).repeat(batch, 1).to(features_BHWF.device)
    first_B = torch.arange(batch, device=features_BHWF.device) * grid.num_centres
    nearest_RA = first_B.repeat_interleave(tiles.num_per_image)[:, None].repeat(1, _TILE**2)
    room = grid.most_in_reach
    while True:
        found_RA, longest = _rounds(
            tiles, centre_SD, nearest_RA, grid, room=room, iterations=max_iterations
        )
        if longest <= room:
            return tiles.image_BHW(found_RA) - first_B[:, None, None]
        room = longest


@dataclass(frozen=True)
class Grid:
    """Where the centres start and how far they reach."""

    rows: range
    columns: range
    step: int
    """Unit of spatial distance."""
    reach: tuple[int, int]
    """Half of the window's height and width."""

    @classmethod
    @lru_cache
    def of(cls, height: int, width: int, num_segments: int) -> Grid:
        _, down, across = regular_grid((1, height, width), num_segments)
        rows, columns = range(height)[down], range(width)[across]
        # scikit-image takes the window from the number of centres that fitted, not the one asked.
        _, *final = regular_grid((1, height, width), len(rows) * len(columns))
        reach = (2 * (final[0].step or 1), 2 * (final[1].step or 1))
        return cls(rows, columns, max(rows.step, columns.step), reach)

    @property
    def num_centres(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def most_in_reach(self) -> int:
        """How many of the centres can reach a tile while they are where they start, at most."""
        axes = zip((self.rows, self.columns), self.reach, strict=True)
        return math.prod(
            min(len(places), (_TILE + 2 * reach) // places.step + 1) for places, reach in axes
        )


@dataclass(frozen=True)
class _Tiles:
    """Pixels in square tiles, padded with pixels that count for nothing."""

    value_DRA: Tensor
    """One (zero in the padding), row, column, features."""
    shape: tuple[int, int, int]
    """Images, rows of tiles, columns of tiles."""
    size: tuple[int, int]
    """Height and width of an image."""

    @classmethod
    def of(cls, features_BHWF: Tensor) -> _Tiles:
        batch, height, width, _ = features_BHWF.shape
        down, across = math.ceil(height / _TILE), math.ceil(width / _TILE)
        row_H, column_W = (torch.arange(n).to(features_BHWF) for n in (height, width))
        place = torch.stack(torch.meshgrid(row_H, column_W, indexing="ij"), -1)
        place = F.pad(place, (1, 0), value=1.0).expand(batch, -1, -1, -1)
        value_DBHW = torch.cat([place, features_BHWF], -1).permute(3, 0, 1, 2)
        padded = F.pad(value_DBHW, (0, across * _TILE - width, 0, down * _TILE - height))
        tiles = padded.reshape(-1, batch, down, _TILE, across, _TILE).transpose(3, 4)
        return cls(tiles.reshape(len(padded), -1, _TILE**2), (batch, down, across), (height, width))

    @property
    def num_per_image(self) -> int:
        return self.shape[1] * self.shape[2]

    def image_BHW(self, value_RA: Tensor) -> Tensor:
        batch, down, across = self.shape
        tiles = value_RA.view(batch, down, across, _TILE, _TILE).transpose(2, 3)
        image = tiles.reshape(batch, down * _TILE, across * _TILE)
        return image[:, : self.size[0], : self.size[1]].contiguous()


def summable(features_BHWF: Tensor) -> Tensor:
    """Round to multiples of a power of two, so that a sum over an image's pixels is exact."""
    num_pixels = features_BHWF.shape[1] * features_BHWF.shape[2]
    largest_B111 = features_BHWF.abs().amax((1, 2, 3), keepdim=True)
    mantissa_B111, _ = torch.frexp(largest_B111)
    power_B111 = (largest_B111 / mantissa_B111).where(largest_B111 > 0, 1.0)
    # A double holds 53 bits; the sum of n values needs log2(n) more than each of them.
    unit_B111 = power_B111 * 2.0 ** (math.ceil(math.log2(num_pixels)) - 53)
    return (features_BHWF / unit_B111).round() * unit_B111


def _rounds(
    tiles: _Tiles, centre_SD: Tensor, nearest_RA: Tensor, grid: Grid, *, room: int, iterations: int
) -> tuple[Tensor, int]:
    """Return nearest_RA after some rounds, and the length of the longest list of centres in them.

    Lists hold `room` centres; where one was longer, what is nearest is not known.
    """
    longest = nearest_RA.new_zeros(())
    for iteration in range(iterations):
        if iteration:
            centre_SD = _average(tiles, nearest_RA, len(centre_SD))
        centre_RP, count_R = _candidates(tiles, centre_SD, grid, room)
        nearest_RA = _assign(tiles, centre_SD, (centre_RP, count_R), nearest_RA, grid)
        longest = torch.maximum(longest, count_R.amax())
    return nearest_RA, int(longest)


def _average(tiles: _Tiles, centre_RA: Tensor, num_centres: int) -> Tensor:
    """Return the mean of each centre's pixels, centre_SD; infinitely far where it has none."""
    value_DN = tiles.value_DRA.flatten(1)
    total_DS = value_DN.new_zeros(len(value_DN), num_centres)
    total_DS.scatter_add_(1, centre_RA.flatten().expand_as(value_DN), value_DN)
    mean_DS = total_DS[1:] / total_DS[0].clamp(min=1)
    mean_DS[:2].masked_fill_(total_DS[0] == 0, math.inf)
    return mean_DS.T.contiguous()


def _assign(
    tiles: _Tiles, centre_SD: Tensor, lists: tuple[Tensor, Tensor], old_RA: Tensor, grid: Grid
) -> Tensor:
    """Return the nearest of the centres whose windows hold a pixel; the old one where none does."""
    centre_RP, count_R = lists
    listed_RP = torch.arange(centre_RP.shape[1], device=old_RA.device) < count_R[:, None]
    start_2R = _starts(tiles.shape, old_RA.device).T
    at_once = _CPU_CHUNK if old_RA.device.type == "cpu" else _GPU_CHUNK
    chunk = max(1, at_once // (centre_RP.shape[1] * _TILE**2))
    nearest = []
    for first in range(0, len(old_RA), chunk):
        part = slice(first, first + chunk)
        centre_rPD = centre_SD[centre_RP[part]]
        axes = [
            _squared_offset(centre_rPD[..., i], start_2R[i, part], grid.reach[i], tiles.size[i])
            for i in range(2)
        ]
        axes[0].masked_fill_(~listed_RP[part, :, None], math.inf)
        distance_rPA = (axes[0][..., None] + axes[1][:, :, None]).mul_(1 / grid.step**2).flatten(2)
        feature_FrA = tiles.value_DRA[3:, part]
        distance_rPA += _squared_difference(feature_FrA, centre_rPD[..., 2:])
        smallest_rA, slot_rA = distance_rPA.min(1)
        found_rA = centre_RP[part].gather(1, slot_rA)
        nearest.append(old_RA[part].where(smallest_rA.isinf(), found_rA))
    return torch.cat(nearest)


def _candidates(tiles: _Tiles, centre_SD: Tensor, grid: Grid, room: int) -> tuple[Tensor, Tensor]:
    """Return the first `room` centres whose windows reach each tile, ascending, and how many do.

    What is left of a list is filled up with some centre of the image.
    """
    reached = []
    for i in range(2):
        centre_BK = centre_SD[:, i].view(tiles.shape[0], -1)
        low_BK, high_BK = _window(centre_BK, grid.reach[i], tiles.size[i])
        start_T1 = torch.arange(tiles.shape[1 + i], device=centre_BK.device)[:, None] * _TILE
        reached.append((low_BK[:, None] < start_T1 + _TILE) & (high_BK[:, None] > start_T1))
    reached_RK = (reached[0][:, :, None] & reached[1][:, None]).flatten(0, 2)
    # Of those in reach the lowest numbers are the highest ranks; the others have rank zero.
    rank_K = torch.arange(grid.num_centres, 0, -1, device=reached_RK.device, dtype=torch.int32)
    rank_RP = (reached_RK * rank_K).topk(min(room, len(rank_K))).values.long()
    number_RP = (grid.num_centres - rank_RP).clamp(max=grid.num_centres - 1)
    image_R = torch.arange(len(rank_RP), device=rank_RP.device) // tiles.num_per_image
    return number_RP + image_R[:, None] * grid.num_centres, reached_RK.sum(1)


def _starts(shape: tuple[int, int, int], device: torch.device) -> Tensor:
    """Return the first row and column of each tile."""
    axes = (torch.arange(n, device=device) for n in shape)
    return torch.cartesian_prod(*axes)[:, 1:] * _TILE


def _window(centre: Tensor, reach: int, length: int) -> tuple[Tensor, Tensor]:
    """Return the first pixel of centres' windows and the one after the last; NaN for a NaN."""
    return (centre - reach).clamp(min=0).floor(), (centre + reach + 1).clamp(max=length).floor()


def _squared_offset(centre_RP: Tensor, start_R: Tensor, reach: int, length: int) -> Tensor:
    """Return squared distances along one axis, offset_RPt; infinite outside the window."""
    centre_RP1 = centre_RP[..., None]
    pixel_R1t = start_R[:, None, None] + torch.arange(_TILE, device=start_R.device)
    low_RP1, high_RP1 = _window(centre_RP1, reach, length)
    outside_RPt = (pixel_R1t < low_RP1) | (pixel_R1t >= high_RP1)
    return (centre_RP1 - pixel_R1t).square_().masked_fill_(outside_RPt, math.inf)


def _squared_difference(feature_FRA: Tensor, centre_RPF: Tensor) -> Tensor:
    """Return the squared distances of features, distance_RPA."""
    distance_RPA = (feature_FRA[0][:, None] - centre_RPF[..., :1]).square_()
    for i in range(1, len(feature_FRA)):
        difference_RPA = feature_FRA[i][:, None] - centre_RPF[..., i : i + 1]
        distance_RPA.addcmul_(difference_RPA, difference_RPA)
    return distance_RPA
