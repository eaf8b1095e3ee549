"""Data sets that are not there, with the official numbers of images, so that a plan can be made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

from PIL import Image

from ..config.benchmark import Benchmark
from ..data import DATASETS, Dataset, DatasetConfig, Sample, load_image
from ..data.check import OFFICIAL, Official
from ..data.framing import Frame
from ..engine.opening import Opened
from ..engine.preparing import with_models_sizes
from ..errors import UserError
from ..store.described import Fields
from ..store.parts import Subject
from .rehearsal import photographs

_TYPICAL = (375, 500)
"""Height and width of most of ImageNet's pictures."""


@dataclass(frozen=True)
class AssumedData:
    """As many ids as an official split has; every picture is a photograph, stored as a JPEG."""

    official: Official
    split: str
    frame: Frame
    images: int | None
    class_names: tuple[str, ...] = ()
    fingerprint: str = "assumed"

    @property
    def input_size(self) -> tuple[int, int]:
        return self.frame.size

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        count = self.official.num_images[self.split]
        return tuple(f"{index:07d}" for index in range(min(count, self.images or count)))

    @cached_property
    def _picture(self) -> bytes:
        image_HWC = (photographs(1, _TYPICAL)[0].permute(1, 2, 0) * 255).byte().numpy()
        stream = BytesIO()
        Image.fromarray(image_HWC).save(stream, "JPEG", quality=90)
        return stream.getvalue()

    def load(self, image_id: str) -> Sample:
        image_CHW, _ = load_image(BytesIO(self._picture), self.frame)
        return Sample(image_id, image_CHW, label=0)


def assume(benchmark: Benchmark) -> Opened:
    """Return a benchmark as if nothing of it were stored, without looking at weights.

    Raises:
        UserError: a data set is missing, and its numbers are not known.
    """
    benchmark = with_models_sizes(benchmark)
    datasets = {name: _opened(config) for name, config in benchmark.datasets.items()}
    unknown: dict[Subject, Fields] = {
        Subject(dataset, model): {} for dataset in datasets for model in benchmark.models
    }
    return Opened.of(benchmark, datasets, unknown)


def _opened(config: DatasetConfig) -> Dataset:
    try:
        return config.open()
    except UserError:
        kinds = {DATASETS[name]: official for name, official in OFFICIAL.items()}
        if type(config) not in kinds:
            raise
    known: Any = config
    frame = Frame.by(known.size, known.resize)
    return AssumedData(kinds[type(config)], known.split, frame, known.images)
