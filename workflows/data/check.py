"""Whether a data set on disk is whole: counts against the official ones, every picture decoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from swag.lookup import lookup

from ..cores import num_cores
from ..errors import ImageError, UserError, as_user_error
from . import DATASETS
from .base import Dataset, DatasetConfig


class Official(NamedTuple):
    """What a data set has in its official archives."""

    num_classes: int
    num_images: Mapping[str, int]
    """By split."""
    splits: tuple[str, ...] = ("train", "validation")
    """Those that are checked where none is asked for."""
    evenly_annotated: bool = True
    """Either every image has boxes (masks), or none has."""


OFFICIAL = {
    "imagenet": Official(
        1000, {"train": 1_281_167, "validation": 50_000}, ("validation",), evenly_annotated=False
    ),
    "cub200": Official(200, {"train": 5_994, "validation": 5_794}),
    "stanford_dogs": Official(120, {"train": 12_000, "validation": 8_580}),
    "flowers102": Official(102, {"train": 2_040, "validation": 6_149}),
}

Progress = Callable[[int, int], None]
"""Called with the number of pictures done and of all."""


@dataclass(frozen=True)
class SplitReport:
    """What was found in one split."""

    split: str
    """Empty for a data set without splits."""
    num_images: int
    num_classes: int
    """Classes that have an image."""
    num_boxed: int
    """Images with boxes."""
    num_masked: int
    fingerprint: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class DataReport:
    """What was found in a data set."""

    name: str
    root: str
    parts: tuple[SplitReport, ...]

    @property
    def problems(self) -> list[str]:
        """What is wrong, a line each; empty where all is well."""
        return [
            f"{part.split}: {text}" if part.split else text
            for part in self.parts
            for text in part.problems
        ]


def check_dataset(
    name: str,
    root: str,
    *,
    split: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> DataReport:
    """Load every image of a data set as a run would, and compare its counts.

    Args:
        name: of a data set whose configuration has a `root`.
        root: its folder.
        split: the one to check; None: all, for ImageNet the validation images only.
        threads: pictures decoded at a time; None: one per core.
        progress: told of every picture.

    Raises:
        UserError: the data set is unknown or not there.
    """
    datasets = {part: config.open() for part, config in _configs(name, root, split).items()}
    total = sum(len(dataset.image_ids) for dataset in datasets.values())
    parts = []
    done = 0
    for part, dataset in datasets.items():
        found = _Found()
        for image_id, result in _loaded(dataset, threads or num_cores()):
            found.add(image_id, result)
            done += 1
            if progress is not None:
                progress(done, total)
        parts.append(_part(name, part, dataset, found))
    return DataReport(name, root, tuple(parts))


def _configs(name: str, root: str, split: str | None) -> dict[str, DatasetConfig]:
    with as_user_error():
        factory: Any = lookup("dataset", name, DATASETS)
    fields = {field.name for field in dataclasses.fields(factory)}
    if "root" not in fields:
        raise UserError(f"{name} is not read from a folder, so there is nothing to check")
    if "split" not in fields:
        if split is not None:
            raise UserError(f"{name} has no splits, so `split` cannot be {split!r}")
        return {"": factory(root=root)}
    splits = OFFICIAL[name].splits if name in OFFICIAL else ("train", "validation")
    chosen = splits if split is None else (split,)
    return {part: factory(root=root, split=part) for part in chosen}


class _Loaded(NamedTuple):
    label: int | None
    has_boxes: bool
    has_mask: bool


class _Found:
    """Counts over the images of a split."""

    def __init__(self) -> None:
        self.num_images = self.num_boxed = self.num_masked = 0
        self.labels: set[int] = set()
        self.errors: dict[str, str] = {}

    def add(self, image_id: str, result: _Loaded | ImageError) -> None:
        self.num_images += 1
        if isinstance(result, ImageError):
            self.errors[image_id] = str(result)
            return
        self.num_boxed += result.has_boxes
        self.num_masked += result.has_mask
        if result.label is not None:
            self.labels.add(result.label)


def _loaded(dataset: Dataset, threads: int) -> Iterator[tuple[str, _Loaded | ImageError]]:
    """Yield what each image gives, in order."""

    def load(image_id: str) -> _Loaded | ImageError:
        try:
            sample = dataset.load(image_id)
        except ImageError as error:
            return error
        return _Loaded(sample.label, sample.boxes_N4 is not None, sample.mask_HW is not None)

    pool = ThreadPoolExecutor(threads)
    try:
        yield from zip(dataset.image_ids, pool.map(load, dataset.image_ids), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _part(name: str, split: str, dataset: Dataset, found: _Found) -> SplitReport:
    problems = [f"{image_id}: {error}" for image_id, error in sorted(found.errors.items())]
    if name in OFFICIAL:
        problems = [*_against(OFFICIAL[name], split, dataset, found), *problems]
    return SplitReport(
        split,
        found.num_images,
        len(found.labels),
        found.num_boxed,
        found.num_masked,
        dataset.fingerprint,
        tuple(problems),
    )


def _against(official: Official, split: str, dataset: Dataset, found: _Found) -> Iterator[str]:
    counts = {
        "images": (found.num_images, official.num_images[split]),
        "classes": (len(dataset.class_names), official.num_classes),
    }
    for what, (got, wanted) in counts.items():
        if got != wanted:
            yield f"{got:,} {what}, and the official data set has {wanted:,}"
    num_good = found.num_images - len(found.errors)
    for what, num in (("boxes", found.num_boxed), ("masks", found.num_masked)):
        if official.evenly_annotated and 0 < num < num_good:
            yield f"{what} are missing for {num_good - num:,} images, and there for {num:,}"
