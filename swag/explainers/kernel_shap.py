"""Kernel SHAP: Shapley values of superpixels, by a regression on coalitions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, get_args

import numpy as np
from torch import Tensor

from swag.checks import require_at_least, require_one_of
from swag.explainers.lime import SampledSuperpixels, hidden_images, painted, shown_probability
from swag.protocols import Segmenter
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels.segmenters import SLIC
from swag.types import Fill, Kind


@dataclass(frozen=True, kw_only=True)
class KernelSHAP(SampledSuperpixels):
    """Shapley values of superpixels (Lundberg and Lee, 2017, theorem 2).

    Coalitions are those of the authors' `shap`: all of the sizes that the samples suffice for, from
    the smallest and largest on, then random ones of the other sizes beside their complements. An
    image's values add up to the target's probability less that of an image all of whose superpixels
    are hidden. None is set to 0 beforehand, as `shap` does unless told otherwise.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"

    superpixels: Segmenter = SLIC(num_segments=50)
    num_samples: int = 1000
    """Copies at most, the image and that without superpixels among them."""
    fill: Fill = "mean"
    """Colour of hidden superpixels: their own mean, or 0 before normalisation."""

    def __post_init__(self) -> None:
        require_at_least("num_samples", self.num_samples, 3)
        require_one_of("fill", self.fill, get_args(Fill))

    def __call__(self, signals: Signals) -> Tensor:
        batch = signals.batch
        labels_BHW = signals.segments(self.superpixels)
        drawn = [
            coalitions(last + 1, self.num_samples - 2, generator(batch.seed, image_id, "shap"))
            for image_id, last in zip(
                batch.image_ids, labels_BHW.amax((1, 2)).tolist(), strict=True
            )
        ]
        ends = [np.tile([[True], [False]], found.shown_TS.shape[1]) for found in drawn]
        shown = [np.concatenate([end, d.shown_TS]) for end, d in zip(ends, drawn, strict=True)]
        fill_BCHW = hidden_images(signals, labels_BHW, self.fill)
        values = shown_probability(signals, labels_BHW, fill_BCHW, shown)
        shapley = [
            shapley_values(found, value_T[2:], whole=value_T[0], nothing=value_T[1])
            for found, value_T in zip(drawn, values, strict=True)
        ]
        return painted(shapley, labels_BHW)


class Coalitions(NamedTuple):
    """Which superpixels are shown, neither all nor none of them."""

    shown_TS: np.ndarray
    weight_T: np.ndarray
    """How much each counts; they add up to 1 unless there are none."""


def coalitions(num: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """Return at most `budget` different coalitions of `num` superpixels as `shap` chooses them."""
    budget = min(budget, 2**num - 2)
    if num == 1:
        return Coalitions(np.zeros((0, 1), dtype=bool), np.zeros(0))
    # A size stands for its complement's too, but where both are the same.
    sizes = np.arange(1, num // 2 + 1)
    weight_Z = (num - 1) / (sizes * (num - sizes)) * np.where(2 * sizes < num, 2, 1)
    weight_Z /= weight_Z.sum()
    weights: dict[bytes, float] = {}
    whole = 0
    for size in sizes.tolist():
        count = math.comb(num, size) * (2 if 2 * size < num else 1)
        share = weight_Z[whole] / weight_Z[whole:].sum()
        if (budget - len(weights)) * share / count < 1 - 1e-8:
            break
        for shown_S in _of_size(num, size):
            weights[shown_S.tobytes()] = weight_Z[whole] / count
        whole += 1
    left = budget - len(weights)
    if whole < len(sizes) and left:
        drawn = _drawn(num, sizes[whole:], left, rng)
        scale = weight_Z[whole:].sum() / sum(drawn.values())
        weights |= {key: times * scale for key, times in drawn.items()}
    shown_TS = np.frombuffer(b"".join(weights), dtype=bool).reshape(-1, num)
    return Coalitions(shown_TS, np.fromiter(weights.values(), dtype=float))


def _of_size(num: int, size: int) -> Iterator[np.ndarray]:
    """Yield the coalitions of a size and their complements, each once."""
    for places in itertools.combinations(range(num), size):
        shown_S = np.zeros(num, dtype=bool)
        shown_S[list(places)] = True
        yield shown_S
        if 2 * size < num:
            yield ~shown_S


def _drawn(
    num: int, sizes: np.ndarray, budget: int, rng: np.random.Generator
) -> dict[bytes, float]:
    """Return how often coalitions were drawn, until there are `budget` or luck runs out."""
    chance_Z = 1 / (sizes * (num - sizes))
    times: dict[bytes, float] = {}
    for size in rng.choice(sizes, 4 * budget, p=chance_Z / chance_Z.sum()):
        if len(times) == budget:
            break
        shown_S = np.zeros(num, dtype=bool)
        shown_S[rng.permutation(num)[:size]] = True
        pair = [shown_S, ~shown_S] if 2 * size < num else [shown_S]
        for each_S in pair:
            key = each_S.tobytes()
            if key in times or len(times) < budget:
                times[key] = times.get(key, 0.0) + 1
    return times


def shapley_values(
    found: Coalitions, value_T: np.ndarray, *, whole: float, nothing: float
) -> np.ndarray:
    """Return value_S of the weighted regression whose values add up to `whole - nothing`, float64.

    Where coalitions are too few to tell all values, it is the solution nearest to equal ones.
    """
    equal = (whole - nothing) / found.shown_TS.shape[1]
    size_T = found.shown_TS.sum(1)
    # What differs from equal values adds up to 0, so a constant in a row does not matter to it.
    centred_TS = found.shown_TS - found.shown_TS.mean(1, keepdims=True)
    root_T = np.sqrt(found.weight_T)
    differing_S = np.linalg.lstsq(
        centred_TS * root_T[:, None], (value_T - nothing - size_T * equal) * root_T, rcond=None
    )[0]
    shapley_S: np.ndarray = equal + differing_S
    return shapley_S
