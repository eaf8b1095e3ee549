"""The images of shards: decoded ahead in a thread of their own, and made a batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch

from swag.channels import with_channels
from swag.classifier import Classifier
from swag.targets import Target
from swag.types import Batch

from ..data import Dataset, DatasetConfig, Sample
from ..errors import ImageError
from ..store.tracebacks import one_line
from .plan import Shard

KEPT_SHARDS = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """The images of a shard: samples of those that could be loaded, the others as errors."""

    samples: tuple[Sample, ...]
    errors: tuple[str | None, ...]
    target: Target
    """Which class of them is explained."""
    num_labels: int = 0
    """Classes of the data set; 0 where it has no labels."""


class Loader:
    """Opens data sets and decodes images; keeps both, data sets for good.

    Args:
        configs: the data sets of a benchmark, by name.
        target: of the benchmark; an image without a label cannot be used where that is explained.
    """

    def __init__(self, configs: Mapping[str, DatasetConfig], target: str) -> None:
        self._configs = configs
        self._target = Target.parse(target)
        self._datasets: dict[str, Dataset] = {}
        # One thread opens data sets and decodes, whoever asks for a shard's images.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._loading: dict[str, Future[Loaded]] = {}

    @property
    def is_busy(self) -> bool:
        return bool(self._loading)

    def begin(self, shard: Shard) -> None:
        """Begin to decode a shard's images, while another shard may be computed."""
        if shard.name in self._loading:
            return
        while len(self._loading) >= KEPT_SHARDS:  # announced, but another worker had it
            self._loading.pop(next(iter(self._loading))).cancel()
        self._loading[shard.name] = self._thread.submit(self._load, shard)

    def take(self, shard: Shard) -> Loaded:
        """Return a shard's images once they are decoded."""
        self.begin(shard)
        return self._loading.pop(shard.name).result()

    def _load(self, shard: Shard) -> Loaded:
        dataset = self._dataset(shard.dataset)
        samples: list[Sample] = []
        errors: list[str | None] = []
        for image_id in shard.image_ids:
            try:
                sample = dataset.load(image_id)
                if self._target.kind == "label" and sample.label is None:
                    raise ImageError("the image has no label, which is to be explained")
                samples.append(sample)
                errors.append(None)
            except ImageError as error:
                log.info("image %s of %s: %s", image_id, shard.dataset, error)
                errors.append(one_line(str(error)))
        class_names = dataset.class_names
        target = self._target.named_in(class_names)
        return Loaded(tuple(samples), tuple(errors), target, len(class_names))

    def _dataset(self, name: str) -> Dataset:
        if name not in self._datasets:
            log.info("opening data set %s", name)
            self._datasets[name] = self._configs[name].open()
        return self._datasets[name]


def to_batch(loaded: Loaded, seed: int, classifier: Classifier) -> Batch:
    """Return the images that could be loaded, which have one size, as a batch for a model.

    Raises:
        ValueError: they have other channels than the model.
    """
    samples, target, device = loaded.samples, loaded.target, classifier.device
    image_BCHW = torch.stack([sample.image_CHW for sample in samples])
    masks = [sample.mask_HW for sample in samples]
    known = [mask for mask in masks if mask is not None]
    label_B = torch.tensor([-1 if s.label is None else s.label for s in samples], device=device)
    target_B = None
    if target.kind != "top":
        target_B = label_B if target.kind == "label" else torch.full_like(label_B, target.number)
    return Batch(
        image_BCHW=with_channels(image_BCHW, classifier.num_channels).to(device),
        image_ids=tuple(sample.image_id for sample in samples),
        seed=seed,
        target_B=target_B,
        target_place=target.number if target.kind == "top" else 1,
        label_B=label_B,
        boxes=tuple(sample.boxes_N4 for sample in samples),
        mask_BHW=torch.stack(known).to(device) if len(known) == len(masks) else None,
    )
