"""What `benchmarks.gpu` times on a model: every native method, and other libraries beside them.

Methods without passes of their own explain a whole batch. Those that run copies explain a few
images, with so many copies each that passes are full: an image of a method of 8,000 passes takes as
many times as long as it has passes more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import torch
from torch import Tensor, nn

from benchmarks.gpu_timing import Job
from benchmarks.measure import Passes, Task, if_installed, photographs
from benchmarks.methods import Originals, pairs, quietly, run_ours, shortened
from benchmarks.pass_efficiency import passes_of, peer_tasks, with_slic
from benchmarks.perturbation import rise_peer
from swag import protocols
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.explainers.controls import Centre
from swag.forwards import CopyPasses, Precision
from swag.metrics.deletion import Deletion
from swag.models import ModelSpec, load_classifier
from swag.protocols import Explainer
from swag.signals import Signals
from swag.superpixels import SLIC
from swag.superpixels.segmenters import Features
from swag.types import Batch

CPU = torch.device("cpu")
OWN = "swagflow"
NOT_BESIDE = ("all three of them", "score_cam")
"""Pairs that are left to `benchmarks.methods`."""
ON_DEVICE = ", SLIC on the device"


@dataclass(frozen=True)
class Bench:
    """A model at a batch size, and the pictures that it sees."""

    classifier: Classifier
    image_BCHW: Tensor
    """As many as a batch has, on the model's device."""
    samples: int
    """Of methods that run copies: so many an image."""

    @property
    def few(self) -> int:
        """Images whose copies fill four passes."""
        return max(1, min(len(self.image_BCHW), 4 * self.classifier.batch_size // self.samples))

    def batch(self, count: int) -> Batch:
        return Batch(image_BCHW=self.image_BCHW[:count], image_ids=tuple(map(str, range(count))))

    def at(self, precision: Precision) -> Classifier:
        """Return the model with its copies in other numbers, folded as a run has them."""
        other = self.classifier.with_model(self.classifier.model)
        other.copies = CopyPasses(forward="folded", precision=precision)
        return other


def classifier_of(name: str, device: torch.device, batch_size: int) -> Classifier:
    """Return a model with random weights."""
    classes = 10 if name.startswith("tiny") else 1000
    spec = ModelSpec(architecture=name, weights="random:0", num_classes=classes)
    return load_classifier(spec, device=device, batch_size=batch_size)


def cheap_explainers() -> dict[str, Explainer]:
    """Return the methods that run no passes of their own."""
    return {k: item for k, item in EXPLAINERS.items() if not any(protocols.passes_of(item))}


def taken(
    explainers: Mapping[str, Explainer], classifier: Classifier, image_NCHW: Tensor
) -> dict[str, Explainer]:
    """Return those that a model takes; one without ReLU has no guided gradient."""
    found: dict[str, Explainer] = {}
    for name, item in explainers.items():
        batch = Batch(image_BCHW=image_NCHW[:1].to(classifier.device), image_ids=("0",))
        try:
            item(Signals(classifier, batch, item.needs))
        except ValueError:
            continue
        found[name] = item
    return found


def jobs_of(bench: Bench, precisions: Sequence[Precision]) -> Iterator[Job]:
    """Yield ours, then what other libraries have, each made when it is asked for."""
    yield from _gradient_methods(bench)
    yield from _methods_of_copies(bench, precisions)
    yield from _originals(bench)


def _gradient_methods(bench: Bench) -> Iterator[Job]:
    """Yield methods of signals alone: each, with SLIC on the device, and all that share them."""
    cheap = cheap_explainers()
    batch = bench.batch(len(bench.image_BCHW))
    on_device = {name: with_slic(item, "torch") for name, item in cheap.items()}
    groups: dict[str, Sequence[Explainer]] = {name: [item] for name, item in cheap.items()}
    groups |= {f"{k}{ON_DEVICE}": [v] for k, v in on_device.items() if v != cheap[k]}
    common = taken(cheap, bench.classifier, bench.image_BCHW)
    plain = [item for item in common.values() if protocols.segmenter_of(item) is None]
    groups["all gradient methods without superpixels"] = plain
    groups["all gradient methods"] = list(common.values())
    groups[f"all gradient methods{ON_DEVICE}"] = [on_device[name] for name in common]
    for name, group in groups.items():
        run = partial(run_ours, group, bench.classifier, batch)
        yield Job(OWN, name, len(batch), run, passes_of(group))


def _methods_of_copies(bench: Bench, precisions: Sequence[Precision]) -> Iterator[Job]:
    """Yield deletion and the methods with passes of their own.

    Those that go backwards stay in float32, whatever the numbers of copies are.
    """
    for name, item in EXPLAINERS.items():
        if not any(protocols.passes_of(item)):
            continue
        short = _shortened(name, bench.samples)
        forwards, backwards = protocols.passes_of(short)
        batch = bench.batch(bench.few)
        is_one_pass = bool(getattr(item, "needs_of_model", ""))  # in which attention is read
        if backwards or is_one_pass:
            run = partial(run_ours, [short], bench.classifier, batch)
            yield Job(OWN, name, len(batch), run, Passes(1 + forwards, backwards))
            continue
        shared = Passes(1, len(protocols.needs_of(short) - {"layer", "layer_activation"}))
        for precision in precisions:
            of_copies = partial(run_ours, [short], bench.at(precision), batch)
            yield Job(OWN, name, len(batch), of_copies, shared, forwards, precision)
    batch = bench.batch(max(1, len(bench.image_BCHW) // 4))
    saliency_BHW = Centre()(Signals(bench.classifier, batch))
    for precision in precisions:
        deleted = partial(_deletion, bench.at(precision), batch, saliency_BHW)
        copies = Deletion().num_forwards
        yield Job(OWN, "deletion", len(batch), deleted, Passes(1), copies, precision)


def _deletion(classifier: Classifier, batch: Batch, saliency_BHW: Tensor) -> object:
    return Deletion()(Signals(classifier, batch), saliency_BHW)


def _shortened(name: str, samples: int) -> Explainer:
    """Return a method with so many copies, of whatever kind they are."""
    counts = {"rise": "num_masks", "score_cam": "num_channels"}
    if name in counts:
        explainer: Any = EXPLAINERS[name]
        few: Explainer = replace(explainer, **{counts[name]: samples})
        return few
    short: Explainer = shortened(name, samples)
    return short


def _originals(bench: Bench) -> Iterator[Job]:
    """Yield the same by captum, pytorch-grad-cam, torch-cam and RISE's authors."""
    whole, few = bench.batch(len(bench.image_BCHW)), bench.batch(bench.few)
    for batch, is_few in ((whole, False), (few, True)):
        originals = Originals(bench.classifier, batch, bench.samples)
        for pair in pairs(originals, bench.samples):
            runs_copies = any(protocols.passes_of(pair.explainers[0]))
            if pair.original is not None and runs_copies == is_few and pair.name not in NOT_BESIDE:
                run = partial(quietly, pair.original)
                yield Job(pair.library, pair.name, len(batch), run, pair.demanded)
    yield from _of_torchcam(bench.classifier, whole)
    quarter = bench.batch(max(1, len(whole) // 4))
    for batch in (whole, quarter):
        for task in peer_tasks(bench.classifier, batch):
            if ("RISE" in task.name) == (batch is quarter):
                yield _of_task(task)
    rise = partial(rise_peer, bench.classifier, few.image_BCHW, bench.samples)
    yield Job("RISE's authors", "rise", len(few), rise, Passes(bench.samples))


def _of_task(task: Task) -> Job:
    library, _, name = task.name.partition(" ")
    if library == "deletion":
        return Job("RISE's authors", library, task.images, task.run, task.demanded)
    names = {"pytorch-grad-cam": "grad_cam", "pytorch-grad-cam,": "grad_cam_pp"}
    found = names.get(library, name)
    return Job(library.rstrip(","), found, task.images, partial(quietly, task.run), task.demanded)


def _of_torchcam(classifier: Classifier, batch: Batch) -> Iterator[Job]:
    methods = if_installed("torchcam.methods")
    if methods is None:
        return
    model = classifier.model
    layer = classifier.layer(batch.image_BCHW[:1])[0]
    x_BCHW = Signals(classifier, batch).normalised_BCHW

    def cam(method: str) -> object:
        with getattr(methods, method)(model, layer, input_shape=x_BCHW.shape[1:]) as extractor:
            logit_BK = model(x_BCHW.clone().requires_grad_())
            return extractor(logit_BK.argmax(1).tolist(), logit_BK)

    for name, method in {"grad_cam": "GradCAM", "grad_cam_pp": "GradCAMpp"}.items():
        run = partial(quietly, partial(cam, method))
        yield Job("torch-cam", name, len(batch), run, Passes(1))


def slic_jobs(
    side: tuple[int, int], device: torch.device, batch_sizes: Sequence[int]
) -> Iterator[tuple[int, Job]]:
    """Yield batch size and job of each SLIC; those of the processor once, at the least size."""
    least = min(batch_sizes)
    for size in sorted(batch_sizes):
        image_BCHW = photographs(size, side)
        for features in get_args(Features):
            ours = SLIC(features=features, gradient="sobel", implementation="torch")
            compiled = replace(ours, implementation="skimage")
            kinds = [(ours, "torch", device)]
            if size == least:
                kinds.append((replace(compiled, compiled=False), "scikit-image", CPU))
            if size == least and if_installed("numba"):
                kinds.append((compiled, "numba", CPU))
            for segmenter, library, where in kinds:
                batch = Batch(
                    image_BCHW=image_BCHW.to(where), image_ids=tuple(map(str, range(size)))
                )
                run = partial(_segmented, segmenter, batch)
                yield size, Job(library, f"{features}, on {where}", size, run)


def _segmented(segmenter: SLIC, batch: Batch) -> Tensor:
    """The Sobel filter stands for a model's gradient."""
    return segmenter(Signals(Classifier(nn.Identity().eval()), batch))
