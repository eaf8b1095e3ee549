"""How much of a method's time the model itself takes, beside other libraries in the same run.

    python -m benchmarks.pass_efficiency [--models resnet50] [--repeats 5] [--json FILE]

Pass efficiency: (passes that the method demands x the model's own best time per pass, measured in
the same run) / time per image. 1 means that everything beside the model is free. A forward pass is
timed without a graph, a backward pass as what the gradient by the image takes beyond that, each at
its best batch size. All tasks take turns, and medians over the turns are compared: by the clock and
by processor time, which other work on the machine disturbs less. Weights are random.

Methods that demand no pass at all (controls, superpixels) have a time only.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import (
    Passes,
    Seconds,
    Task,
    if_installed,
    in_turns,
    photographs,
    require_plausible,
    versions,
)
from swag import protocols
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.explainers.controls import Centre
from swag.forwards import CopyPasses, Forward
from swag.metrics.deletion import Deletion
from swag.models import ModelSpec, load_classifier
from swag.protocols import Explainer
from swag.signals import GRADIENTS, Signals
from swag.types import Batch
from swagflow.hardware import default_device, description, tune_allocator

MODELS = ("tiny_vgg", "tiny_resnet", "resnet50")
VERSIONS = ("torch", "torchvision", "numpy", "scikit-image", "captum", "grad-cam")
STEPS = 28
captum: Any = if_installed("captum.attr")
grad_cam: Any = if_installed("pytorch_grad_cam")


def model_tasks(classifier: Classifier) -> list[Task]:
    """The model alone, at batch sizes up to the classifier's own."""
    height, width = input_size(classifier)
    tasks, size = [], classifier.batch_size
    while size >= 4:
        x = torch.randn(size, 3, height, width, device=classifier.device)
        for passes in (Passes(1, 0), Passes(1, 1)):
            run = forward if passes.backward == 0 else forward_and_backward
            tasks.append(
                Task(f"model, batch {size}", passes, partial(run, classifier.model, x), size)
            )
        size //= 2
    return tasks


def input_size(classifier: Classifier) -> tuple[int, int]:
    return (112, 112) if type(classifier.model).__module__.startswith("swag.") else (224, 224)


@torch.no_grad()
def forward(model: torch.nn.Module, x: Tensor) -> object:
    return model(x).softmax(1)


def forward_and_backward(model: torch.nn.Module, x: Tensor) -> object:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(model(x).amax(1).sum(), x)


def our_tasks(classifier: Classifier, batch: Batch, slic: str | None) -> list[Task]:
    """Each cheap explainer with signals of its own, then several with common ones."""
    cheap = {
        name: with_slic(explainer, slic)
        for name, explainer in EXPLAINERS.items()
        if not any(protocols.passes_of(explainer))
    }
    plain = {k: item for k, item in cheap.items() if protocols.segmenter_of(item) is None}
    groups: dict[str, Sequence[Explainer]] = {name: [item] for name, item in cheap.items()}
    groups["all gradient methods without superpixels"] = list(plain.values())
    groups["all gradient methods"] = list(cheap.values())

    def run(explainers: Sequence[Explainer]) -> None:
        needs = frozenset[str]().union(*(item.needs for item in explainers))
        signals = Signals(classifier, batch, needs)
        for explainer in explainers:
            explainer(signals)

    def signals_only() -> None:
        Signals(classifier, batch, GRADIENTS).probability_BK  # noqa: B018

    saliency_BHW = Centre()(Signals(classifier, batch))
    rest = {
        "all gradient signals": (Passes(1, 2), signals_only),
        "deletion": (
            Passes(STEPS),
            lambda: Deletion(steps=STEPS)(Signals(classifier, batch), saliency_BHW),
        ),
    }
    return [
        *(Task(name, passes_of(g), partial(run, g), len(batch)) for name, g in groups.items()),
        *(Task(name, passes, call, len(batch)) for name, (passes, call) in rest.items()),
    ]


def with_slic(explainer: Explainer, implementation: str | None) -> Explainer:
    superpixels: Any = protocols.segmenter_of(explainer)
    if implementation is None or superpixels is None:
        return explainer
    superpixels = replace(superpixels, implementation=implementation)
    return replace(explainer, superpixels=superpixels)  # type: ignore[type-var]


def passes_of(explainers: Sequence[Explainer]) -> Passes:
    """Grad-CAM demands no backward pass: it ends above the features, where there is little."""
    needs = frozenset[str]().union(*(explainer.needs for explainer in explainers))
    return Passes(int(bool(needs)), len(needs - {"layer", "layer_activation"}))


def peer_tasks(classifier: Classifier, batch: Batch) -> list[Task]:
    """The same by RISE's way of deleting, and by captum and pytorch-grad-cam where installed."""
    model, count = copy.deepcopy(classifier.model), len(batch)
    model.requires_grad_()  # as they come; pytorch-grad-cam fails without
    signals = Signals(classifier, batch)
    target_B, x_BCHW = signals.target_B, signals.normalised_BCHW
    layer = model.get_submodule(classifier.layer(batch.image_BCHW[:1])[0])
    saliency_BHW = Centre()(signals).cpu().numpy()

    def guided_backprop() -> object:
        return captum.GuidedBackprop(model).attribute(x_BCHW.clone().requires_grad_(), target_B)

    def cam(method: str) -> object:
        target = grad_cam.utils.model_targets.ClassifierOutputTarget
        with getattr(grad_cam, method)(model=model, target_layers=[layer]) as made:
            return made(input_tensor=x_BCHW, targets=[target(each) for each in target_B.tolist()])

    found = []
    if captum:
        found.append(Task("captum guided backprop", Passes(1, 1), guided_backprop, count))
    if grad_cam:
        for name, method in {"": "GradCAM", ", ++": "GradCAMPlusPlus"}.items():
            found.append(Task(f"pytorch-grad-cam{name}", Passes(1), partial(cam, method), count))
    rise = partial(rise_deletion, classifier, x_BCHW, saliency_BHW)
    return [*found, Task("deletion as RISE does it", Passes(STEPS), rise, count)]


def rise_deletion(classifier: Classifier, x_BCHW: Tensor, saliency_BHW: np.ndarray) -> np.ndarray:
    """Predict all images, then all of them again before each step and at the end."""
    count, channels = x_BCHW.shape[:2]
    rows = np.arange(count)
    top_B = classifier.probabilities(x_BCHW).argmax(1).cpu().numpy()
    order_BP = np.flip(np.argsort(saliency_BHW.reshape(count, -1), axis=-1), axis=-1)
    step = -(-order_BP.shape[1] // STEPS)
    current_BCP = x_BCHW.cpu().numpy().copy().reshape(count, channels, -1)
    scores = []
    for index in range(STEPS + 1):
        current_BCHW = torch.from_numpy(current_BCP.reshape(x_BCHW.shape)).to(x_BCHW.device)
        scores.append(classifier.probabilities(current_BCHW).cpu().numpy()[rows, top_B])
        gone_BP = order_BP[:, step * index : step * (index + 1)]
        current_BCP[rows[:, None, None], np.arange(channels)[:, None], gone_BP[:, None]] = 0
    return np.stack(scores)


def best_passes(tasks: Sequence[Task], seconds: Sequence[Seconds]) -> tuple[Seconds, Seconds]:
    """Return what a forward and a backward pass take at their best batch sizes."""

    def best(passes: Passes) -> Seconds:
        found = [s for task, s in zip(tasks, seconds, strict=True) if task.demanded == passes]
        return Seconds(*(min(values) for values in zip(*found, strict=True)))

    alone, both = best(Passes(1, 0)), best(Passes(1, 1))
    backward = Seconds(both.clock - alone.clock, both.processor - alone.processor)
    require_plausible(alone.processor, backward.processor)
    return alone, backward


def compare(name: str, options: argparse.Namespace) -> list[Mapping[str, Any]]:
    """Return a row per task on a model."""
    device = torch.device(options.device)
    classes = 10 if name.startswith("tiny") else 1000
    spec = ModelSpec(architecture=name, weights="random:0", num_classes=classes)
    classifier = load_classifier(spec, device=device, batch_size=options.batch_size)
    classifier.copies = CopyPasses(forward=options.forward)
    image_BCHW = photographs(options.images, input_size(classifier)).to(device)
    batch = Batch(image_BCHW=image_BCHW, image_ids=tuple(map(str, range(options.images))))
    alone = model_tasks(classifier)
    rest = our_tasks(classifier, batch, options.slic) + peer_tasks(classifier, batch)
    seconds = in_turns([*alone, *rest], options.repeats, device)
    unit = best_passes(alone, seconds[: len(alone)])
    return [
        row(name, task, taken, unit) for task, taken in zip([*alone, *rest], seconds, strict=True)
    ]


def row(model: str, task: Task, taken: Seconds, unit: tuple[Seconds, Seconds]) -> Mapping[str, Any]:
    efficiency: list[float | None] = []
    for forward_s, backward_s, taken_s in zip(*unit, taken, strict=True):
        floor = task.demanded.forward * forward_s + task.demanded.backward * backward_s
        efficiency.append(floor / taken_s if floor else None)
    return {
        "model": model,
        "method": task.name,
        "demanded": str(task.demanded),
        "milliseconds": 1000 * taken.clock,
        "processor_milliseconds": 1000 * taken.processor,
        "efficiency": efficiency[0],
        "processor_efficiency": efficiency[1],
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| model | method | demanded | ms an image | of processor | efficiency | by processor |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in rows:
        ratios = [
            "" if each[key] is None else f"{each[key]:.2f}"
            for key in ("efficiency", "processor_efficiency")
        ]
        times = f"{each['milliseconds']:.2f} | {each['processor_milliseconds']:.2f}"
        names = f"{each['model']} | {each['method']} | {each['demanded']}"
        lines.append(f"| {names} | {times} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    from swagflow.config.benchmark import Benchmark  # noqa: PLC0415 - others need less of this file

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", default=MODELS, help="names that load_classifier knows"
    )
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--forward",
        choices=get_args(Forward),
        default=Benchmark.forward,
        help="of perturbed copies",
    )
    parser.add_argument("--slic", choices=["skimage", "torch"], help="default: the catalog's")
    parser.add_argument("--device", default=str(default_device()))
    parser.add_argument("--json", type=Path, help="write the results here too")
    options = parser.parse_args()
    tune_allocator()
    about = {
        "machine": description(),
        "device": options.device,
        "threads": torch.get_num_threads(),
        "versions": versions(VERSIONS),
        "images": options.images,
        "batch_size": options.batch_size,
        "forward": options.forward,
        "repeats": options.repeats,
    }
    print(json.dumps(about))
    rows = [each for name in options.models for each in compare(name, options)]
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({**about, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
