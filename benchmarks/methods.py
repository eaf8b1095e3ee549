"""Each native explainer beside the library it is compared with, on one model in the same run.

    python -m benchmarks.methods [--images 2] [--samples 16] [--batch-size 32] [--only occlusion]

Pass efficiency is that of `benchmarks.pass_efficiency`, by processor time: (passes that the method
demands x the model's own best time per pass) / time per image. Of perturbation methods `outside` is
the processor time of an image that is not spent in the model. Methods of samples have few of them,
originals as many. Ours also classify the images, whose targets originals are told; where
that is a pass more, it counts as demanded. Score-CAM is left out unless named, since the original
takes all of a layer's channels: `--model resnet18 --images 1 --only score_cam` has 512. Weights are
random; all tasks take turns.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch

from benchmarks.measure import Passes, Seconds, Task, in_turns, photographs
from benchmarks.pass_efficiency import best_passes, captum, grad_cam, input_size, model_tasks
from swag import protocols
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.models import ModelSpec, load_classifier
from swag.protocols import Explainer
from swag.signals import Signals
from swag.superpixels import Squares
from swag.types import Batch
from swagflow.hardware import description, tune_allocator

CAMS = {"xgrad_cam": "XGradCAM", "hires_cam": "HiResCAM", "layer_cam": "LayerCAM"}
MOMENTS = {
    "smooth_grad": "smoothgrad",
    "smooth_grad_squared": "smoothgrad_sq",
    "var_grad": "vargrad",
}
HEADER = (
    "| method | passes | ours, ms | efficiency | original, ms | efficiency | "
    "ours outside, ms | original outside, ms |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)
PERTURBING = ("occlusion", "kernel_shap", "hsic", "score_cam")
WINDOWS, CELLS = 4, 4
TILES = Squares(side=32)
"""Superpixels that cost nothing, since captum is given them."""


class Pair(NamedTuple):
    """Ours, and the original where there is one that runs here."""

    name: str
    explainers: Sequence[Explainer]
    demanded: Passes
    original: Callable[[], object] | None
    library: str
    """Which has the original, whether it is installed or not; "" where none has."""


class Originals:
    """The other libraries on a copy of the model, as their documents show them."""

    def __init__(self, classifier: Classifier, batch: Batch, samples: int) -> None:
        self.model = copy.deepcopy(classifier.model).requires_grad_()  # pytorch-grad-cam needs it
        for module in self.model.modules():
            if hasattr(module, "inplace"):
                setattr(module, "inplace", False)  # noqa: B010 - captum's hooks need it
        signals = Signals(classifier, batch)
        self.x_BCHW, self.target_B = signals.normalised_BCHW, signals.target_B
        self.labels_BHW = signals.segments(TILES)
        self.layer = classifier.layer(batch.image_BCHW[:1])[0]
        self.channels = signals.layer_activation_BFhw.shape[1]
        self.samples, self.at_once = samples, classifier.batch_size

    def _input(self) -> torch.Tensor:
        return self.x_BCHW.clone().requires_grad_()

    def input_x_gradient(self) -> object:
        return captum.InputXGradient(self.model).attribute(self._input(), target=self.target_B)

    def guided_grad_cam(self) -> object:
        layer = self.model.get_submodule(self.layer)
        return captum.GuidedGradCam(self.model, layer).attribute(self._input(), self.target_B)

    def cam(self, method: str) -> object:
        target = grad_cam.utils.model_targets.ClassifierOutputTarget
        wanted = [target(each) for each in self.target_B.tolist()]
        kind = getattr(grad_cam, method)
        with kind(self.model, [self.model.get_submodule(self.layer)]) as cam:
            cam.batch_size = self.at_once
            return cam(self.x_BCHW, wanted)

    def moment(self, name: str) -> object:
        return captum.NoiseTunnel(captum.Saliency(self.model)).attribute(
            self._input(),
            nt_type=name,
            nt_samples=self.samples,
            nt_samples_batch_size=max(1, self.at_once // (2 * len(self.x_BCHW))),
            target=self.target_B,
            abs=False,
        )

    def integrated_gradients(self) -> object:
        return captum.IntegratedGradients(self.model).attribute(
            self._input(),
            n_steps=self.samples,
            method="riemann_middle",
            target=self.target_B,
            internal_batch_size=self.at_once // 2,
        )

    def gradient_shap(self) -> object:
        return captum.GradientShap(self.model).attribute(
            self._input(), self.x_BCHW * 0, n_samples=self.samples, target=self.target_B
        )

    def occlusion(self) -> object:
        height, width = (side // (WINDOWS + 1) for side in self.x_BCHW.shape[2:])
        return captum.Occlusion(self.model).attribute(
            self.x_BCHW[..., : height * (WINDOWS + 1), : width * (WINDOWS + 1)],
            sliding_window_shapes=(3, 2 * height, 2 * width),
            strides=(3, height, width),
            target=self.target_B,
            perturbations_per_eval=max(1, self.at_once // len(self.x_BCHW)),
        )

    def kernel_shap(self) -> object:
        return [
            captum.KernelShap(self.model).attribute(
                self.x_BCHW[index : index + 1],
                target=self.target_B[index],
                feature_mask=self.labels_BHW[index][None, None],
                n_samples=self.samples,
                perturbations_per_eval=self.at_once,
            )
            for index in range(len(self.x_BCHW))
        ]


def shortened(name: str, samples: int) -> Any:
    """The explainer of a name with few samples, steps or windows."""
    explainer: Any = EXPLAINERS[name]
    fields: dict[str, dict[str, Any]] = {
        "occlusion": {"windows": WINDOWS},
        "score_cam": {"num_channels": 10_000},
        "kernel_shap": {"num_samples": samples, "superpixels": TILES},
    }
    if name in fields:
        return replace(explainer, **fields[name])
    known = {field: samples for field in ("num_samples", "steps") if hasattr(explainer, field)} | (
        {"cells": CELLS} if name == "hsic" else {}
    )
    return replace(explainer, **known)


def pairs(originals: Originals, samples: int) -> list[Pair]:
    """Each method, the passes that it demands, and its original where that is installed."""
    found = []
    installed = {"captum": captum, "pytorch-grad-cam": grad_cam}

    def add(
        name: str, demanded: Passes, original: Callable[[], object] | None, library: str = "captum"
    ) -> None:
        known = original if installed[library] else None
        found.append(Pair(name, [shortened(name, samples)], demanded, known, library))

    add("input_x_gradient", Passes(1, 1), originals.input_x_gradient)
    add("guided_grad_cam", Passes(1, 1), originals.guided_grad_cam)
    for name, method in CAMS.items():
        add(name, Passes(1), partial(originals.cam, method), "pytorch-grad-cam")
    for name, moment in MOMENTS.items():
        add(name, Passes(samples, samples), partial(originals.moment, moment))
    three = [shortened(name, samples) for name in MOMENTS]

    def all_moments() -> object:
        return [originals.moment(moment) for moment in MOMENTS.values()]

    known = all_moments if captum else None
    found.append(Pair("all three of them", three, Passes(samples, samples), known, "captum"))
    for name in ("integrated_gradients", "gradient_shap"):
        add(name, Passes(samples, samples), getattr(originals, name))
    add("occlusion", Passes(WINDOWS**2), originals.occlusion)
    add("kernel_shap", Passes(samples), originals.kernel_shap)
    add("hsic", Passes(samples), None)
    score_cam = partial(originals.cam, "ScoreCAM")
    add("score_cam", Passes(originals.channels), score_cam, "pytorch-grad-cam")
    return found


def run_ours(explainers: Sequence[Explainer], classifier: Classifier, batch: Batch) -> None:
    needs = frozenset[str]().union(*map(protocols.needs_of, explainers))
    signals = Signals(classifier, batch, needs)
    for explainer in explainers:
        explainer(signals)


def quietly(call: Callable[[], object]) -> object:
    """Libraries warn of hooks and draw bars."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        return call()


class Clock:
    """The processor time that a model's forward passes take."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.seconds = 0.0
        model.register_forward_pre_hook(self._before)
        model.register_forward_hook(self._after)

    def _before(self, *_: object) -> None:
        self.seconds -= time.process_time()

    def _after(self, *_: object) -> None:
        self.seconds += time.process_time()

    def outside(self, task: Task) -> float:
        """Return the seconds of an image that a task does not spend in the model."""
        self.seconds, start = 0.0, time.process_time()
        task.run()
        return (time.process_time() - start - self.seconds) / task.images


def line(
    pair: Pair, seconds: Sequence[Seconds], outside: Sequence[float], unit: tuple[Seconds, Seconds]
) -> str:
    """A row of the table: milliseconds of the processor, efficiency, milliseconds outside."""
    floor = sum(count * taken.processor for count, taken in zip(pair.demanded, unit, strict=True))
    classified = any(protocols.passes_of(pair.explainers[0])) * unit[0].processor
    cells = ["-"] * 6
    for place, taken in enumerate(seconds):
        demanded = floor if place else floor + classified
        cells[2 * place] = f"{1000 * taken.processor:.0f}"
        cells[2 * place + 1] = f"{demanded / taken.processor:.2f}"
    for place, taken_outside in enumerate(outside):
        cells[4 + place] = f"{1000 * taken_outside:.1f}"
    return f"| `{pair.name}` | {pair.demanded} | {' | '.join(cells)} |"


def compare(options: argparse.Namespace) -> None:
    """Print a row for each method."""
    device = torch.device("cpu")
    spec = ModelSpec(architecture=options.model, weights="random:0", num_classes=1000)
    classifier = load_classifier(spec, device=device, batch_size=options.batch_size)
    image_BCHW = photographs(options.images, input_size(classifier))
    batch = Batch(image_BCHW, tuple(map(str, range(options.images))))
    originals = Originals(classifier, batch, options.samples)
    listed = pairs(originals, options.samples)
    names = options.only or {pair.name for pair in listed} - {"score_cam"}
    listed = [pair for pair in listed if pair.name in names]
    alone = model_tasks(classifier)
    tasks, places = list(alone), []
    for pair in listed:
        calls: list[Callable[[], object]] = [partial(run_ours, pair.explainers, classifier, batch)]
        if pair.original is not None:
            calls.append(partial(quietly, pair.original))
        places.append(slice(len(tasks), len(tasks) + len(calls)))
        tasks += [Task(pair.name, pair.demanded, call, len(batch)) for call in calls]
    seconds = in_turns(tasks, options.repeats, device)
    unit = best_passes(alone, seconds[: len(alone)])
    clocks = Clock(classifier.model), Clock(originals.model)
    print(HEADER)
    for pair, place in zip(listed, places, strict=True):
        outside = []
        if pair.name in PERTURBING:
            outside = [c.outside(t) for c, t in zip(clocks, tasks[place], strict=False)]
        print(line(pair, seconds[place], outside, unit), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    tune_allocator()
    print(json.dumps({"machine": description(), "threads": torch.get_num_threads()}))
    compare(options)


if __name__ == "__main__":
    main()
