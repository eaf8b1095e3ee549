"""How often networks are right on photographs, each prepared as its weights want them.

    python -m benchmarks.accuracy [--root FOLDER] [--models pypi/squeezenet1_1 ...] [--images 200]

FOLDER has Parquet files with columns `image` and `label`, or a sub-folder for each class, numbered
as the models number theirs. Without one the photographs of scikit-image and scikit-learn are taken,
and what each network sees in them is printed as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swag.models import ModelSpec, load_classifier, preparation
from swag.stats import wilson_interval
from swagflow.data import ImageFolder, ImageParquet, PackagedPhotographs
from swagflow.data.base import Dataset
from swagflow.data.framing import Resize
from swagflow.hardware import tune_allocator

MODELS = ("pypi/squeezenet1_1", "pypi/efficientnet_lite0")
BATCH = 20
HEADER = "| model | images | top-1 | 95 % interval | top-5 |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True)
class Seen:
    """What a model says of a data set's images, N of them, K classes."""

    image_ids: tuple[str, ...]
    probability_NK: Tensor
    label_N: Tensor
    """-1 where there is none."""

    def line(self, model: str) -> str:
        """Return a row of the table, over the images that have a label."""
        known_N = self.label_N >= 0
        best_N5 = self.probability_NK[known_N].topk(5).indices
        hit_N5 = best_N5 == self.label_N[known_N, None]
        right, number = int(hit_N5[:, 0].sum()), len(hit_N5)
        low, high = wilson_interval(right, number)
        shares = (
            f"{right / number:.3f} | {low:.3f} to {high:.3f} | {hit_N5.any(1).double().mean():.3f}"
        )
        return f"| `{model}` | {number} | {shares} |"

    def predictions(self, names: tuple[str, ...]) -> Iterator[str]:
        """Yield each image's most probable class."""
        for image_id, probability_K in zip(self.image_ids, self.probability_NK, strict=True):
            best = int(probability_K.argmax())
            yield f"{image_id}: {names[best]} ({float(probability_K[best]):.2f})"


def dataset_of(root: Path | None, images: int | None, resize: Resize) -> Dataset:
    """The photographs, resized as a model wants them."""
    if root is None:
        return PackagedPhotographs(images=images, resize=resize).open()
    made: Any = ImageParquet if next(root.glob("**/*.parquet"), None) else ImageFolder
    opened: Dataset = made(root=str(root), images=images, resize=resize).open()
    return opened


def resize_of(spec: ModelSpec) -> Resize:
    """As the weights' own evaluation does it."""
    own: Any = preparation(spec)
    return Resize(shorter=own.resized, crop=own.size, interpolation=own.interpolation)


def look(spec: ModelSpec, dataset: Dataset) -> Seen:
    classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=BATCH)
    probabilities, labels = [], []
    for first in range(0, len(dataset.image_ids), BATCH):
        names = dataset.image_ids[first : first + BATCH]
        samples = [dataset.load(name) for name in names]
        image_BCHW = torch.stack([sample.image_CHW for sample in samples])
        probabilities.append(classifier.probabilities(classifier.prepared(image_BCHW)))
        labels += [-1 if sample.label is None else sample.label for sample in samples]
    return Seen(tuple(dataset.image_ids), torch.cat(probabilities), torch.tensor(labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--images", type=int)
    options = parser.parse_args()
    tune_allocator()
    print(HEADER)
    told = []
    for model in options.models:
        spec = ModelSpec(architecture=model)
        dataset = dataset_of(options.root, options.images, resize_of(spec))
        seen = look(spec, dataset)
        print(seen.line(model), flush=True)
        if options.root is None:
            told += [f"\n{model}", *seen.predictions(tuple(dataset.class_names))]
    for line in told:
        print(line)


if __name__ == "__main__":
    main()
