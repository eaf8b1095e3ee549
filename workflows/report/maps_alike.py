"""How far the stored maps of the methods agree, image by image, with no word of faithfulness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swag.agreement import agreement_of_maps
from swag.stats import Floats, bootstrap_interval, mean_of_present

from ..store.experiments import MOST_METHODS
from .export import Sheet
from .figures import render
from .heatmap import heatmap
from .names import Labels
from .sections import Drawing
from .source import Run

STEM = "maps_agreement"
MOST_IMAGES = 64  # over all data sets and models, so that a report stays a matter of seconds
IMAGES = 16
KINDS = ("spearman", "top_shared", "sign_agreement")


@dataclass(frozen=True, kw_only=True)
class MapsAlike:
    """The agreement of each two methods' maps on some images of one data set and model."""

    dataset: str
    model: str
    methods: Sequence[str]
    value_NMMK: Floats
    """Of each image: rank correlation, and the shares of the top pixels that both maps have, and
    have with one sign; NaN where a map is missing or constant."""

    @property
    def num_images(self) -> int:
        return len(self.value_NMMK)

    def mean(self) -> Floats:
        """Return mean_MMK over the images, NaN where none has both maps."""
        return mean_of_present(self.value_NMMK)


def maps_alike(run: Run, num_images: int | None = None) -> list[MapsAlike]:
    """Return it for each data set and model with maps of two methods.

    The images are the first ones of each, which come in a shuffled order.

    Args:
        run: whose maps; at most `MOST_METHODS` methods of it.
        num_images: of each data set and model; None: 16, or fewer so that all make up 64.
    """
    cases = run.described.cases
    if num_images is None:
        num_images = max(1, min(IMAGES, MOST_IMAGES // max(1, len(cases))))
    methods = list(run.described.explainers)[:MOST_METHODS]
    found = [_of_case(run, case.dataset, case.model, methods, num_images) for case in cases]
    return [item for item in found if item is not None]


def _of_case(
    run: Run, dataset: str, model: str, methods: Sequence[str], num_images: int
) -> MapsAlike | None:
    maps: dict[str, dict[str, np.ndarray]] = {}
    wanted: list[str] | None = None
    for method in methods:
        own = _first_maps(run, (dataset, model, method), num_images, wanted)
        if own:
            maps[method] = own
            wanted = wanted or list(own)
    if wanted is None or len(maps) < 2:
        return None
    values = [_of_image([own.get(image_id) for own in maps.values()]) for image_id in wanted]
    return MapsAlike(dataset=dataset, model=model, methods=list(maps), value_NMMK=np.stack(values))


def _first_maps(
    run: Run, cell: tuple[str, str, str], num_images: int, wanted: Sequence[str] | None
) -> dict[str, np.ndarray]:
    if wanted is not None:
        return run.store.read_explanations(*cell, wanted)
    found: dict[str, np.ndarray] = {}
    for part in run.store.explanation_parts(*cell):
        found |= part
        if len(found) >= num_images:
            break
    return dict(list(found.items())[:num_images])


def _of_image(maps: Sequence[np.ndarray | None]) -> Floats:
    """Return value_MMK of one image's maps."""
    value_MMK = np.full((len(maps), len(maps), len(KINDS)), np.nan)
    there = [place for place, each in enumerate(maps) if each is not None]
    if len(there) > 1:
        found = agreement_of_maps(np.stack([each for each in maps if each is not None]))
        both = np.ix_(there, there)
        value_MMK[both] = np.stack([found.spearman_MM, found.top_MM, found.sign_MM], axis=-1)
    return value_MMK


def maps_sheet(found: Sequence[MapsAlike], seed: int) -> Sheet:
    """Return each two methods' mean agreement, the rank correlation with its 95 % interval."""
    header = ("dataset", "model", "method", "other_method", *KINDS, "ci_low", "ci_high", "n")
    rows: list[tuple[object, ...]] = []
    for item in found:
        first_P, second_P = np.triu_indices(len(item.methods), 1)
        pair_NP = item.value_NMMK[:, first_P, second_P, 0]
        n_P = (~np.isnan(pair_NP)).sum(axis=0)
        low_P, high_P = np.full(len(n_P), np.nan), np.full(len(n_P), np.nan)
        if (n_P > 0).any():
            low_P[n_P > 0], high_P[n_P > 0] = bootstrap_interval(pair_NP[:, n_P > 0], seed=seed)
        mean_MMK = item.mean()
        for place, (first, second) in enumerate(places(first_P, second_P)):
            names = item.methods[first], item.methods[second]
            means = map(float, mean_MMK[first, second])
            ends = float(low_P[place]), float(high_P[place])
            rows.append((item.dataset, item.model, *names, *means, *ends, int(n_P[place])))
    return Sheet(STEM, header, rows)


def maps_drawing(found: Sequence[MapsAlike], labels: Labels) -> Drawing:
    """Return the mean rank correlation over data sets and models as a figure."""
    methods = list(dict.fromkeys(name for item in found for name in item.methods))
    stacked = np.full((len(found), len(methods), len(methods)), np.nan)
    for place, item in enumerate(found):
        at = [methods.index(name) for name in item.methods]
        stacked[place][np.ix_(at, at)] = item.mean()[..., 0]
    names = [labels.method(name) for name in methods]
    figure = heatmap(names, mean_of_present(stacked), label="Spearman's rank correlation")
    alt = "Mean rank correlation of the pixels of each two methods' maps"
    return Drawing(STEM, "Do the maps agree?", alt, render(figure))


def places(first_P: np.ndarray, second_P: np.ndarray) -> list[tuple[int, int]]:
    """Return the two places of each pair."""
    return list(zip(first_P.tolist(), second_P.tolist(), strict=True))
