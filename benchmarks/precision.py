"""What the numbers of perturbed copies change: scores, table cells, ranks of methods, and speed.

    python -m benchmarks.precision [--models tiny_vgg resnet18=random:0] [--root FOLDER]

For each network the deletion AUC of some methods' maps is computed with copies in float32, as the
model is ("eager"), and once more by every other way that this machine has; all take turns. Maps
come from float32 signals, the same for all. Two methods have changed places where their means stand
in another order. Tiny and small networks see digit_scenes, others pictures in a folder's Parquet
files, or photographs that scikit-image brings. Time is the processor's, on a GPU the clock's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import photographs, synchronise, versions
from benchmarks.pass_efficiency import VERSIONS
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.forwards import CopyPasses
from swag.metrics.deletion import Deletion
from swag.models import ModelSpec, load_classifier
from swag.models.tiny import TINY
from swag.signals import Signals
from swag.stats import bootstrap_interval
from swag.stats import compare as compare_columns
from swag.types import Batch
from swagflow.data.digit_scenes import DigitScenes, Style
from swagflow.data.parquet import ImageParquet
from swagflow.hardware import default_device, description, full_precision, tune_allocator

METHODS = ("random", "centre", "grad_cam", "swag", "swag_ig", "swag_g", "guided_backprop")
REFERENCE = CopyPasses()
HEAD = (
    "| model | images | copies | AUC of an image, largest | median | of a table cell "
    f"| ranks changed, of {len(METHODS)} | time, of eager float32 |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def ways(device: torch.device) -> list[CopyPasses]:
    """Every way of copies through a model but the reference."""
    found = [CopyPasses(forward="folded"), CopyPasses(forward="folded", precision="bf16")]
    if device.type == "cuda":
        found.insert(1, CopyPasses(forward="folded", precision="tf32"))
    return found


def images_of(name: str, count: int, root: str) -> Tensor:
    if name in TINY:
        scenes: Style = "natural" if name.startswith("small") else "plain"  # which they know
        dataset: Any = DigitScenes(images=count, scenes=scenes).open()
    elif root:
        dataset = ImageParquet(root=root, images=count).open()
    else:
        return photographs(count, (224, 224))
    return torch.stack([dataset.load(image_id).image_CHW for image_id in dataset.image_ids])


def arranged(classifier: Classifier, way: CopyPasses, image_BCHW: Tensor) -> Classifier:
    """Return a classifier whose copies go that way, arranged before anything is timed."""
    other = classifier.with_model(classifier.model)
    other.copies = way
    other.copies_logits(other.prepared(image_BCHW))
    return other


def scores_of(
    classifier: Classifier, batch: Batch, maps: Mapping[str, Tensor]
) -> tuple[np.ndarray, float]:
    """Return the deletion AUC of each image and method, auc_BM, and the seconds that it took."""
    clock = time.process_time if classifier.device.type == "cpu" else time.perf_counter
    signals = Signals(classifier, batch)
    signals.probability_BK  # noqa: B018 - in float32, and not what is timed
    synchronise(classifier.device)
    start = clock()
    found = [Deletion()(signals, map_BHW).value_B.cpu().numpy() for map_BHW in maps.values()]
    synchronise(classifier.device)
    return np.stack(found, axis=1), clock() - start


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


def compare(model: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each way of a network's copies; they take turns, batch by batch."""
    device = torch.device(options.device)
    name, _, weights = model.partition("=")
    spec = ModelSpec(architecture=name, weights=weights or "default")
    classifier = load_classifier(spec, device=device, batch_size=options.batch_size)
    batches = explained(classifier, images_of(name, options.images, options.root))
    taken = [REFERENCE, *ways(device)]
    ready = [arranged(classifier, way, batches[0][0].image_BCHW) for way in taken]
    turns = [[scores_of(other, *batch) for other in ready] for batch in batches]
    auc_WNM = [np.concatenate([turn[way][0] for turn in turns]) for way in range(len(taken))]
    seconds_W = [sum(turn[way][1] for turn in turns) for way in range(len(taken))]
    return [
        {
            "model": model,
            "copies": f"{way.forward}, {way.precision}",
            **compared(auc_NM.astype(np.float64), auc_WNM[0].astype(np.float64)),
            "seconds": seconds,
            "time": seconds / seconds_W[0],
        }
        for way, auc_NM, seconds in zip(taken[1:], auc_WNM[1:], seconds_W[1:], strict=True)
    ]


def compared(auc_NM: np.ndarray, wanted_NM: np.ndarray) -> dict[str, Any]:
    """Return how far scores, means and ranks of methods are from the reference's."""
    moved_NM = np.abs(auc_NM - wanted_NM)
    return {
        "images": len(wanted_NM),
        "largest_of_an_image": float(moved_NM.max()),
        "median_of_an_image": float(np.median(moved_NM)),
        "largest_of_a_cell": float(np.abs(auc_NM.mean(0) - wanted_NM.mean(0)).max()),
        "ranks_changed": int((_ranks(auc_NM) != _ranks(wanted_NM)).sum()),
        "swapped": swapped(auc_NM, wanted_NM),
    }


def swapped(auc_NM: np.ndarray, wanted_NM: np.ndarray) -> list[dict[str, Any]]:
    """Return each two methods whose means stand the other way round than the reference's."""
    mean_M, wanted_M = auc_NM.mean(0), wanted_NM.mean(0)
    low_M, high_M = bootstrap_interval(wanted_NM)
    found = []
    for first, second in combinations(range(len(wanted_M)), 2):
        if np.sign(mean_M[first] - mean_M[second]) == np.sign(wanted_M[first] - wanted_M[second]):
            continue
        pair = [first, second]
        apart = compare_columns(wanted_NM[:, [first]], wanted_NM[:, second])
        found.append(
            {
                "methods": [METHODS[method] for method in pair],
                "means": mean_M[pair].tolist(),
                "float32": wanted_M[pair].tolist(),
                "overlap": bool(low_M[pair].max() <= high_M[pair].min()),
                "difference": [
                    *map(float, (apart.difference_M[0], apart.low_M[0], apart.high_M[0]))
                ],
            }
        )
    return found


def _ranks(auc_NM: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(auc_NM.mean(0)))


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table's lines below its head."""
    found = []
    for row in rows:
        moved = [
            f"{row[key]:.1e}"
            for key in ("largest_of_an_image", "median_of_an_image", "largest_of_a_cell")
        ]
        found.append(
            f"| {row['model']} | {row['images']} | {row['copies']} | {' | '.join(moved)} "
            f"| {row['ranks_changed']} | {row['time']:.2f} |"
        )
    return "\n".join(found)


def swaps(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a line for each two methods that changed places."""
    lines = []
    for row in rows:
        for swap in row["swapped"]:
            (one, other), (before, beside), (after, then) = (
                swap[key] for key in ("methods", "float32", "means")
            )
            middle, low, high = swap["difference"]
            lines.append(
                f"- {row['model']}, {row['copies']}: {one} and {other}, {before:.5f} and "
                f"{beside:.5f} as it is, {after:.5f} and {then:.5f} here; their intervals "
                f"{'overlap' if swap['overlap'] else 'lie apart'}, their difference is "
                f"{middle:.5f} ({low:.5f} to {high:.5f})"
            )
    return "\n".join(lines) or "No two methods changed places."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models",
        nargs="+",
        default=["tiny_vgg", "tiny_resnet"],
        help="names, or NAME=WEIGHTS such as resnet18=random:0",
    )
    parser.add_argument("--root", default="", help="a folder of Parquet files with pictures")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default=str(default_device()))
    parser.add_argument("--json", type=Path, help="where the figures go as well")
    options = parser.parse_args()
    tune_allocator()
    full_precision()
    about = {"machine": description(), "device": options.device, "versions": versions(VERSIONS)}
    print(json.dumps(about), flush=True)
    print(HEAD, flush=True)
    rows: list[dict[str, Any]] = []
    for model in options.models:
        found = compare(model, options)
        print(lines(found), flush=True)
        rows += found
    if options.json:
        options.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    print(f"\n{swaps(rows)}")


if __name__ == "__main__":
    main()
