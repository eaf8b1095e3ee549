"""What the numbers of perturbed copies change: scores, table cells, ranks of methods, and speed.

    python -m benchmarks.precision [--models tiny_vgg tiny_resnet] [--root FOLDER] [--images 20]

For each network the deletion AUC of some methods' maps is computed with copies in float32, as the
model is ("eager"), and once more by every other way that this machine has. Maps come from float32
signals, the same for all. Tiny networks see digit_scenes, others the pictures in a folder's Parquet
files, or photographs that scikit-image brings. Time is the processor's, on a GPU the clock's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import photographs, synchronise
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.forwards import CopyPasses
from swag.metrics.deletion import Deletion
from swag.models import ModelSpec, load_classifier
from swag.models.tiny import TINY
from swag.signals import Signals
from swag.types import Batch
from swagflow.data.digit_scenes import DigitScenes
from swagflow.data.parquet import ImageParquet
from swagflow.hardware import default_device, description, full_precision, tune_allocator

METHODS = ("random", "centre", "grad_cam", "swag", "swag_ig", "swag_g", "guided_backprop")
REFERENCE = CopyPasses()


def ways(device: torch.device) -> list[CopyPasses]:
    """Every way of copies through a model but the reference."""
    found = [CopyPasses(forward="folded"), CopyPasses(forward="folded", precision="bf16")]
    if device.type == "cuda":
        found.insert(1, CopyPasses(forward="folded", precision="tf32"))
    return found


def images_of(name: str, count: int, root: str) -> Tensor:
    if name in TINY:
        dataset: Any = DigitScenes(images=count).open()
    elif root:
        dataset = ImageParquet(root=root, images=count).open()
    else:
        return photographs(count, (224, 224))
    return torch.stack([dataset.load(image_id).image_CHW for image_id in dataset.image_ids])


def scores_of(
    classifier: Classifier, batches: Sequence[tuple[Batch, Mapping[str, Tensor]]], way: CopyPasses
) -> tuple[np.ndarray, float]:
    """Return the deletion AUC of each method and image, auc_MN, and the seconds that it took."""
    other = classifier.with_model(classifier.model)
    other.copies = way
    other.copies_logits(other.prepared(batches[0][0].image_BCHW))  # arranged before it is timed
    clock = time.process_time if other.device.type == "cpu" else time.perf_counter
    parts, seconds = [], 0.0
    for batch, maps in batches:
        signals = Signals(other, batch)
        signals.probability_BK  # noqa: B018 - in float32, and not what is timed
        synchronise(other.device)
        start = clock()
        parts.append(
            [Deletion()(signals, map_BHW).value_B.cpu().numpy() for map_BHW in maps.values()]
        )
        synchronise(other.device)
        seconds += clock() - start
    return np.concatenate(parts, axis=1), seconds


def explained(classifier: Classifier, image_NCHW: Tensor) -> list[tuple[Batch, dict[str, Tensor]]]:
    """Return batches with the maps of every method."""
    batches = []
    needs = frozenset[str]().union(*(EXPLAINERS[name].needs for name in METHODS))
    for first in range(0, len(image_NCHW), 8):
        image_BCHW = image_NCHW[first : first + 8].to(classifier.device)
        names = tuple(str(first + index) for index in range(len(image_BCHW)))
        batch = Batch(image_BCHW=image_BCHW, image_ids=names)
        signals = Signals(classifier, batch, needs)
        batches.append((batch, {name: EXPLAINERS[name](signals) for name in METHODS}))
    return batches


def compare(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each way of a network's copies."""
    device = torch.device(options.device)
    spec = ModelSpec(architecture=name, weights=options.weights)
    classifier = load_classifier(spec, device=device, batch_size=options.batch_size)
    batches = explained(classifier, images_of(name, options.images, options.root))
    wanted_MN, unit = scores_of(classifier, batches, REFERENCE)
    rows = []
    for way in ways(device):
        found_MN, seconds = scores_of(classifier, batches, way)
        moved_MN = np.abs(found_MN - wanted_MN)
        rows.append(
            {
                "model": name,
                "images": wanted_MN.shape[1],
                "copies": f"{way.forward}, {way.precision}",
                "largest_of_an_image": float(moved_MN.max()),
                "median_of_an_image": float(np.median(moved_MN)),
                "largest_of_a_cell": float(np.abs(found_MN.mean(1) - wanted_MN.mean(1)).max()),
                "ranks_changed": int((_ranks(found_MN) != _ranks(wanted_MN)).sum()),
                "time": seconds / unit,
            }
        )
    return rows


def _ranks(auc_MN: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(auc_MN.mean(1)))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| model | images | copies | AUC of an image, largest | median | of a table cell "
        f"| ranks changed, of {len(METHODS)} | time, of eager float32 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        moved = [
            f"{row[key]:.1e}"
            for key in ("largest_of_an_image", "median_of_an_image", "largest_of_a_cell")
        ]
        lines.append(
            f"| {row['model']} | {row['images']} | {row['copies']} | {' | '.join(moved)} "
            f"| {row['ranks_changed']} | {row['time']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["tiny_vgg", "tiny_resnet"])
    parser.add_argument("--weights", default="default")
    parser.add_argument("--root", default="", help="a folder of Parquet files with pictures")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default=str(default_device()))
    options = parser.parse_args()
    tune_allocator()
    full_precision()
    print(json.dumps({"machine": description(), "device": options.device}))
    print(table([row for name in options.models for row in compare(name, options)]))


if __name__ == "__main__":
    main()
