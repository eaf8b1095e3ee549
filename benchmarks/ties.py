"""What the rule for equally salient pixels does to deletion scores.

    python -m benchmarks.ties [--images 20] [--models tiny_vgg tiny_resnet] [--json FILE]

Scenes of the package and its models. Each map is scored twice: of equal pixels the first in
row-major order goes first, as everywhere here, and the last one does. A row tells the share of
pixels that go at another step, the largest change of an image's area, and that of the mean.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.curves.ranks import Ranks, ranks, step_of
from swag.curves.scores import FILLINGS, Course, Points, area_under, curves
from swag.explainers.swag import SWAG
from swag.models import ModelSpec, load_classifier
from swag.protocols import Explainer, passes_of
from swag.signals import Signals
from swag.superpixels import SLIC
from swag.types import Batch
from swagflow.data.digit_scenes import DigitScenes
from swagflow.hardware import default_device, description, tune_allocator

STEPS = 28
SEGMENTS = 75
"""On 112x112 pixels, the area that the paper's have on 224x224."""


def cheap_explainers() -> dict[str, Explainer]:
    """Those without passes of their own, superpixels in proportion to the images."""
    found: dict[str, Explainer] = {}
    for name, explainer in EXPLAINERS.items():
        if any(passes_of(explainer)):
            continue
        found[name] = explainer
        if isinstance(explainer, SWAG) and isinstance(explainer.superpixels, SLIC):
            superpixels = replace(explainer.superpixels, num_segments=SEGMENTS)
            found[name] = replace(explainer, superpixels=superpixels)
    return found


def ranks_last_first(saliency_BHW: Tensor) -> Ranks:
    """Return the ranks by the opposite rule: of equal pixels the last one goes first."""
    flipped = ranks(saliency_BHW.flip((1, 2)))
    return Ranks(flipped.rank_BHW.flip((1, 2)), flipped.count_B)


def areas(signals: Signals, step_BHW: Tensor) -> Tensor:
    points = Points(count=int(step_BHW.max()) + 2)
    return area_under(curves(signals, step_BHW, points, Course(filling=FILLINGS["mean"])))


def row(name: str, explainer: Explainer, classifier: Classifier, batch: Batch) -> Mapping[str, Any]:
    signals = Signals(classifier, batch, explainer.needs)
    saliency_BHW = explainer(signals)
    first, last = (step_of(make(saliency_BHW), STEPS) for make in (ranks, ranks_last_first))
    change_B = areas(signals, last) - areas(signals, first)
    return {
        "method": name,
        "moved": float((first != last).double().mean()),
        "largest_change": float(change_B.abs().max()),
        "change_of_mean": float(change_B.mean()),
    }


def table(rows: list[Mapping[str, Any]]) -> str:
    lines = [
        "| model | method | pixels at another step (%) | largest change of an area | of the mean |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each['model']} | {each['method']} | {100 * each['moved']:.1f} | "
        f"{each['largest_change']:.4f} | {each['change_of_mean']:+.4f} |"
        for each in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=["tiny_vgg", "tiny_resnet"])
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    tune_allocator()
    device = default_device()
    dataset = DigitScenes(images=options.images).open()
    samples = [dataset.load(image_id) for image_id in dataset.image_ids]
    batch = Batch(
        image_BCHW=torch.stack([sample.image_CHW for sample in samples]).to(device),
        image_ids=tuple(dataset.image_ids),
    )
    rows: list[Mapping[str, Any]] = []
    for model in options.models:
        classifier = load_classifier(ModelSpec(architecture=model), device=device, batch_size=32)
        for name, explainer in cheap_explainers().items():
            rows.append({"model": model, **row(name, explainer, classifier, batch)})
    about = {"machine": description(), "images": options.images, "steps": STEPS}
    print(json.dumps(about))
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({**about, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
