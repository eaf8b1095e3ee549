"""What perturbation curves take beside the model, and ROAD's imputation beside its authors' solve.

    python -m benchmarks.curves [--images 2] [--repeats 3] [--model resnet50] [--json FILE]

Pass efficiency is that of `benchmarks.pass_efficiency`: (passes that a metric demands x the model's
own best time per pass in this run) / time per image, superpixels and classification included. The
second table has a row for each order of pixels: the time of a copy without the model by our solver
and by the authors' (`spsolve`), and how far the results are apart in units of the normalised image.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import Tensor

from benchmarks.measure import Passes, Task, in_turns, photographs
from benchmarks.pass_efficiency import best_passes, input_size, model_tasks, row, table
from swag.catalog import METRICS, ROAD
from swag.classifier import Classifier
from swag.curves.imputation import impute
from swag.explainers.controls import Centre, Noise
from swag.explainers.swag import SWAG
from swag.metrics.deletion import Deletion
from swag.metrics.insertion import Insertion
from swag.metrics.perturbation import PerturbationCurve
from swag.models import ModelSpec, load_classifier
from swag.protocols import Explainer
from swag.signals import Signals
from swag.types import Batch
from swagflow.hardware import default_device, description, tune_allocator

Curve = Deletion | Insertion | PerturbationCurve
MOST_STEPS = 56
"""More take longer and tell nothing else."""


def curves() -> dict[str, Curve]:
    """The catalogue's curves; long ones with fewer steps."""
    found: dict[str, Curve] = {}
    for name, metric in METRICS.items():
        if isinstance(metric, Curve):
            short = metric.steps is not None and metric.steps > MOST_STEPS
            found[name] = replace(metric, steps=MOST_STEPS) if short else metric
    return found


def curve_tasks(classifier: Classifier, batch: Batch) -> list[Task]:
    """Each curve with signals of its own."""
    saliency_BHW = Centre()(Signals(classifier, batch))

    def run(metric: Curve) -> None:
        metric(Signals(classifier, batch), saliency_BHW)

    return [
        Task(name, Passes(1 + metric.num_forwards), partial(run, metric), len(batch))
        for name, metric in curves().items()
    ]


def gaps(order_HW: Tensor) -> Tensor:
    """gone_T1HW: the first of an order's pixels at ROAD's shares."""
    place_HW = order_HW.flatten().argsort(descending=True).argsort().view_as(order_HW)
    gone = [(place_HW < share * order_HW.numel()).float()[None] for share in ROAD]
    return torch.stack(gone)


def solved(image_CHW: Tensor, gone_T1HW: Tensor) -> Tensor:
    """The copies as the authors make them, without noise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        imputer = NoisyLinearImputer(noise=0)
        return torch.stack([imputer(image_CHW, 1 - gone_1HW[0]) for gone_1HW in gone_T1HW])


def processor_seconds(run: Callable[[], Tensor]) -> tuple[float, Tensor]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def imputation_rows(classifier: Classifier, batch: Batch, repeats: int) -> list[Mapping[str, Any]]:
    """Return a row for each order of pixels, on one thread of the CPU, as passes are filled."""
    signals = Signals(classifier, batch)
    image_CHW = signals.normalised_BCHW[0].cpu()
    orders: dict[str, Explainer] = {
        "noise": Noise(),
        "centre": Centre(),
        "swag": SWAG(weights="gradient"),
    }
    rows: list[Mapping[str, Any]] = []
    threads = torch.get_num_threads()
    for name, explainer in orders.items():
        gone_T1HW = gaps(explainer(signals)[0].cpu())
        torch.set_num_threads(1)
        impute(image_CHW, gone_T1HW)
        pairs = [
            [processor_seconds(partial(run, image_CHW, gone_T1HW)) for run in (impute, solved)]
            for _ in range(repeats)
        ]
        torch.set_num_threads(threads)
        ours, theirs = (min(pair[side][0] for pair in pairs) / len(ROAD) for side in (0, 1))
        apart = (pairs[0][0][1] - pairs[0][1][1]).abs()
        rows.append(
            {
                "order": name,
                "processor_milliseconds": 1000 * ours,
                "authors_processor_milliseconds": 1000 * theirs,
                "ratio": ours / theirs,
                "largest_difference": float(apart.max()),
                "mean_difference": float(apart.mean()),
            }
        )
    return rows


def imputation_table(rows: list[Mapping[str, Any]]) -> str:
    lines = [
        "| order | ms of processor a copy | authors' | ratio | largest difference | mean |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for each in rows:
        lines.append(
            f"| {each['order']} | {each['processor_milliseconds']:.1f} | "
            f"{each['authors_processor_milliseconds']:.1f} | {each['ratio']:.3f} | "
            f"{each['largest_difference']:.4f} | {each['mean_difference']:.5f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="resnet50", help="a name that load_classifier knows")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default=str(default_device()))
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    tune_allocator()
    device = torch.device(options.device)
    classes = 10 if options.model.startswith("tiny") else 1000
    spec = ModelSpec(architecture=options.model, weights="random:0", num_classes=classes)
    classifier = load_classifier(spec, device=device, batch_size=options.batch_size)
    image_BCHW = photographs(options.images, input_size(classifier)).to(device)
    batch = Batch(image_BCHW=image_BCHW, image_ids=tuple(map(str, range(options.images))))
    about = {"machine": description(), "threads": torch.get_num_threads(), **vars(options)}
    print(json.dumps(about, default=str))
    alone, rest = model_tasks(classifier), curve_tasks(classifier, batch)
    seconds = in_turns([*alone, *rest], options.repeats, device)
    unit = best_passes(alone, seconds[: len(alone)])
    rows = [
        row(options.model, task, taken, unit)
        for task, taken in zip(rest, seconds[len(alone) :], strict=True)
    ]
    imputed = imputation_rows(classifier, batch, options.repeats)
    print(table(rows), imputation_table(imputed), sep="\n\n")
    if options.json:
        found = {**about, "curves": rows, "imputation": imputed}
        options.json.write_text(json.dumps(found, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
