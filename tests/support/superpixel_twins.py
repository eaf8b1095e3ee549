"""SLIC and pooling by loops over pixels, written from the paper's equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean, median

import numpy as np

Pixel = tuple[int, int]


def distance(
    here: Pixel,
    centre: list[float],
    features: list[np.ndarray],
    weights: list[float],
    spacing: float,
) -> float:
    """D' of eq. 4, 5 or 6, squared: spatial, then one term for each kind of feature."""
    total = ((here[0] - centre[0]) ** 2 + (here[1] - centre[1]) ** 2) / spacing**2
    first = 2
    for feature_HWF, weight in zip(features, weights, strict=True):
        count = feature_HWF.shape[2]
        of_centre = centre[first : first + count]
        squares = [(feature_HWF[here][i] - of_centre[i]) ** 2 for i in range(count)]
        total += (math.sqrt(sum(squares)) / weight) ** 2
        first += count
    return total


def slic(
    features: list[np.ndarray], weights: list[float], num_segments: int, iterations: int = 10
) -> np.ndarray:
    """Clusters before they are connected; the image is a square of whole cells.

    The first round is by place alone, as scikit-image's is.
    """
    height, width, _ = features[0].shape
    spacing = round(math.sqrt(height * width / num_segments))
    cells = range(spacing // 2, height, spacing)
    centres: list[list[float]] = [[y, x] for y in cells for x in cells]
    labels = np.zeros((height, width), int)
    for iteration in range(iterations):
        known = len(features) if iteration else 0
        nearest = np.full((height, width), math.inf)
        for number, centre in enumerate(centres):
            ends = [(int(max(c - 2 * spacing, 0)), int(c + 2 * spacing + 1)) for c in centre[:2]]
            for y in range(ends[0][0], min(ends[0][1], height)):
                for x in range(ends[1][0], min(ends[1][1], width)):
                    d = distance((y, x), centre, features[:known], weights[:known], spacing)
                    if d < nearest[y, x]:
                        nearest[y, x], labels[y, x] = d, number
        for number in range(len(centres)):
            rows, columns = np.nonzero(labels == number)
            means = [feature_HWF[rows, columns].mean(0) for feature_HWF in features]
            centres[number] = [rows.mean(), columns.mean(), *np.concatenate(means)]
    return labels


def neighbours(here: Pixel, shape: tuple[int, ...]) -> list[Pixel]:
    y, x = here
    near = [(y, x + 1), (y, x - 1), (y + 1, x), (y - 1, x)]
    return [(v, u) for v, u in near if 0 <= v < shape[0] and 0 <= u < shape[1]]


def connect(labels_HW: np.ndarray, min_size: int, max_size: int) -> np.ndarray:
    """Pieces found by scanning the pixels and growing each from a queue."""
    found = np.full(labels_HW.shape, -1)
    count = 0
    for start in np.ndindex(*labels_HW.shape):
        if found[start] >= 0:
            continue
        found[start] = count
        queue, place, joins = [start], 0, 0
        while place < len(queue) < max_size:
            for near in neighbours(queue[place], labels_HW.shape):
                if labels_HW[near] == labels_HW[start] and found[near] < 0:
                    if len(queue) < max_size:
                        found[near] = count
                        queue.append(near)
                elif 0 <= found[near] != count:
                    joins = found[near]
            place += 1
        if len(queue) < min_size:
            for pixel in queue:
                found[pixel] = joins
        else:
            count += 1
    return found


def pool(value_HW: np.ndarray, labels_HW: np.ndarray, statistic: str) -> np.ndarray:
    reducers: dict[str, Callable[[list[float]], float]] = {
        "mean": fmean,
        "max": max,
        "median": median,
        "sum": math.fsum,
    }
    reduce = reducers[statistic]
    members: dict[int, list[float]] = {}
    for pixel in np.ndindex(*labels_HW.shape):
        members.setdefault(int(labels_HW[pixel]), []).append(float(value_HW[pixel]))
    painted = [reduce(members[label]) for label in labels_HW.flatten().tolist()]
    return np.array(painted).reshape(labels_HW.shape)
