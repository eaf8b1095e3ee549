"""What must not become slower: times on a CPU, round by round, in parts of something beside them.

    python -m benchmarks.suite --json FILE [--rounds 7] [--models tiny_vgg tiny_resnet resnet50]

What needs a model is told in its own forward passes of an image, superpixels in scikit-image's
SLIC. Both are measured in the same round, by processor time. `python -m benchmarks.compare A B`
says of two such files what has changed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import torch

from benchmarks.measure import Passes, Task, measured, photographs, versions
from benchmarks.pass_efficiency import MODELS, VERSIONS, forward, input_size, our_tasks
from swag.classifier import Classifier
from swag.denormals import flushed
from swag.explainers.lime import LIME
from swag.explainers.rise import RISE
from swag.explainers.xrai import XRAI
from swag.forwards import CopyPasses
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from swag.superpixels import SLIC
from swag.types import Batch
from swagflow.config.benchmark import Benchmark
from swagflow.hardware import description, tune_allocator

CPU = torch.device("cpu")
SHARED = (
    "all gradient signals",
    "all gradient methods without superpixels",
    "all gradient methods",
    "deletion",
)
SAMPLED: dict[str, LIME | RISE | XRAI] = {
    "LIME of 32 samples": LIME(num_samples=32),
    "RISE of 32 masks": RISE(num_masks=32),
    "XRAI of 4 steps": XRAI(steps=4),
}


@dataclass(frozen=True)
class Case:
    """Tasks, and what their times are parts of."""

    unit: Task
    tasks: Sequence[Task]

    def round(self) -> dict[str, float]:
        """Return what each task takes for an image, in units."""
        unit = measured(self.unit, CPU).processor / self.unit.images
        return {
            task.name: measured(task, CPU).processor / task.images / unit for task in self.tasks
        }


def case_of_model(name: str, images: int) -> Case:
    classes = 10 if name.startswith("tiny") else 1000
    spec = ModelSpec(architecture=name, weights="random:0", num_classes=classes)
    classifier = load_classifier(spec, device=CPU, batch_size=32)
    classifier.copies = CopyPasses(forward=Benchmark.forward)
    image_BCHW = photographs(images, input_size(classifier))
    batch = Batch(image_BCHW=image_BCHW, image_ids=tuple(map(str, range(images))))
    shared = [task for task in our_tasks(classifier, batch, None) if task.name in SHARED]
    sampled = [
        Task(title, Passes(), partial(_explain, explainer, classifier, batch), images)
        for title, explainer in SAMPLED.items()
    ]
    unit = Task("model", Passes(1), partial(forward, classifier.model, image_BCHW), images)
    named = [replace(task, name=f"{name}: {task.name}") for task in [*shared, *sampled]]
    return Case(unit, named)


def _explain(explainer: LIME | RISE | XRAI, classifier: Classifier, batch: Batch) -> object:
    return explainer(Signals(classifier, batch, explainer.needs))


def case_of_superpixels(size: int) -> Case:
    image_BCHW = photographs(4, (size, size))
    batch = Batch(image_BCHW=image_BCHW, image_ids=tuple("0123"))
    signals = Signals(Classifier(torch.nn.Identity().eval()), batch)
    ours = SLIC(num_segments=round(size**2 * 300 / 224**2))
    reference = replace(ours, compiled=False)
    unit = Task("scikit-image", Passes(), partial(reference, signals), 4)
    return Case(unit, [Task(f"SLIC, {size}x{size}", Passes(), partial(ours, signals), 4)])


def ratios(cases: Sequence[Case], rounds: int) -> dict[str, list[float]]:
    """Return of each task a ratio for each round, after one that does not count."""
    found: dict[str, list[float]] = {}
    with flushed():
        for number in range(rounds + 1):
            for case in cases:
                for name, ratio in case.round().items():
                    found.setdefault(name, []).extend([ratio] * (number > 0))
    return found


def table(found: Mapping[str, Sequence[float]]) -> str:
    """Return medians with the least and the most: a column for each model, then superpixels."""
    of_models: dict[str, dict[str, str]] = {}
    alone: dict[str, str] = {}
    for name, values in found.items():
        text = f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
        model, _, task = name.rpartition(": ")
        (of_models.setdefault(task, {}) if model else alone)[model or name] = text
    models = list(dict.fromkeys(model for texts in of_models.values() for model in texts))
    lines = [
        f"| in the model's passes | {' | '.join(models)} |",
        f"|{' --- |' * (1 + len(models))}",
    ]
    for task, texts in of_models.items():
        cells = " | ".join(texts.get(model, "-") for model in models)
        lines.append(f"| {task} | {cells} |")
    lines += ["", "| in scikit-image's time | |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {text} |" for name, text in alone.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, required=True, help="where the results go")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    options = parser.parse_args()
    tune_allocator()
    torch.set_num_threads(1)
    cases = [case_of_model(name, options.images) for name in options.models]
    cases += [case_of_superpixels(size) for size in (112, 224)]
    found = ratios(cases, options.rounds)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    about = {"machine": description(), "versions": versions(VERSIONS)}
    options.json.write_text(json.dumps({**about, "ratios": found}, indent=1) + "\n")
    print(json.dumps(about))
    print(table(found))


if __name__ == "__main__":
    main()
