"""Superpixels: milliseconds per image of scikit-image's and ours, and how far they agree.

    python -m benchmarks.superpixels [--images 4] [--sizes 112 224] [--repeats 5]

Photographs at the paper's pixels per superpixel; beyond four they repeat. The gradient of the
features is the Sobel filter's, so that no model is needed. Times include the features; "processor"
is processor time, which other work on the machine disturbs less, and "share" that of the
scikit-image line above. "compiled" is ours by numba. Agreement is the adjusted Rand
index with scikit-image's labels, the mean and the lowest over the images, and the share of images
whose labels are all equal.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import NamedTuple, get_args

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor, nn

from benchmarks.measure import Passes, Task, in_turns, photographs
from swag.classifier import Classifier
from swag.explainers.regions import MIN_SIZE, SCALES, SIGMA
from swag.importance import sobel_magnitude
from swag.protocols import Segmenter
from swag.signals import Signals
from swag.superpixels import SLIC, Quickshift, Statistic, pool
from swag.superpixels.graph import regions
from swag.superpixels.segmenters import Features
from swag.types import Batch

PIXELS_PER_SUPERPIXEL = 224 * 224 / 300
UNUSED = Classifier(nn.Identity().eval())


class Agreement(NamedTuple):
    mean: float
    lowest: float
    equal: float

    @classmethod
    def of(cls, labels_BHW: Tensor, expected_BHW: Tensor) -> Agreement:
        pairs = list(zip(labels_BHW.cpu().numpy(), expected_BHW.cpu().numpy(), strict=True))
        indices = [adjusted_rand_score(a.ravel(), b.ravel()) for a, b in pairs]
        equal = [np.array_equal(a, b) for a, b in pairs]
        return cls(float(np.mean(indices)), min(indices), float(np.mean(equal)))

    def __str__(self) -> str:
        return f"ARI {self.mean:.4f}, lowest {self.lowest:.4f}, equal {self.equal:.0%}"


def segmented(segmenter: Segmenter, batch: Batch) -> Tensor:
    return segmenter(Signals(UNUSED, batch))


def batch_on(device: str, image_BCHW: Tensor) -> Batch:
    ids = tuple(str(number) for number in range(len(image_BCHW)))
    return Batch(image_BCHW=image_BCHW.to(device), image_ids=ids)


def xrais(image_BHWC: np.ndarray, *, compiled: bool) -> Tensor:
    """Return Felzenszwalb's labels at XRAI's scales, those of one image after another."""
    labels = [
        regions(2 * image_HWC - 1, SCALES, SIGMA, MIN_SIZE, compiled=compiled)
        for image_HWC in image_BHWC
    ]
    return torch.from_numpy(np.concatenate(labels))


def report(size: int, count: int, repeats: int) -> None:
    image_BCHW = photographs(count, (size, size))
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    batches = {device: batch_on(device, image_BCHW) for device in devices}
    num_segments = round(size**2 / PIXELS_PER_SUPERPIXEL)
    tasks, notes = [], []

    def add(name: str, run: partial[Tensor], note: str = "") -> None:
        tasks.append(Task(name, Passes(), run, count))
        notes.append(note)

    for features in get_args(Features):
        compiled = SLIC(features=features, num_segments=num_segments, gradient="sobel")
        slic = replace(compiled, compiled=False)
        ours = replace(slic, implementation="torch")
        expected_BHW = segmented(slic, batches["cpu"])
        mean = float((expected_BHW.amax((1, 2)) + 1).double().mean())
        superpixels = f"{mean:.0f} superpixels of {num_segments}"
        add(f"{features}: skimage", partial(segmented, slic, batches["cpu"]), superpixels)
        agreement = Agreement.of(segmented(compiled, batches["cpu"]), expected_BHW)
        add(f"{features}: compiled", partial(segmented, compiled, batches["cpu"]), str(agreement))
        for device, batch in batches.items():
            agreement = Agreement.of(segmented(ours, batch), expected_BHW)
            add(f"{features}: torch, {device}", partial(segmented, ours, batch), str(agreement))
    image_BHWC = image_BCHW.permute(0, 2, 3, 1).double().numpy()
    plain = xrais(image_BHWC, compiled=False)
    agreement = Agreement.of(xrais(image_BHWC, compiled=True), plain)
    add("XRAI's six: skimage", partial(xrais, image_BHWC, compiled=False))
    add("XRAI's six: compiled", partial(xrais, image_BHWC, compiled=True), str(agreement))
    add("quickshift: skimage", partial(segmented, Quickshift(), batches["cpu"]))
    for device, batch in batches.items():
        value_BHW = sobel_magnitude(batch.image_BCHW)
        labels_BHW = expected_BHW.to(device)
        for statistic in get_args(Statistic):
            add(f"pool {statistic}, {device}", partial(pool, value_BHW, labels_BHW, statistic))
    print(f"\n{size}x{size}, {count} images, {torch.get_num_threads()} threads, ms per image")
    print(f"{'':30}{'clock':>9}{'processor':>11}{'share':>8}")
    times = in_turns(tasks, repeats, torch.device(devices[-1]))
    for task, seconds, note in zip(tasks, times, notes, strict=True):
        if task.name.endswith(": skimage"):
            whole = seconds.processor
        columns = f"{1e3 * seconds.clock:9.3f}{1e3 * seconds.processor:11.3f}"
        columns += f"{seconds.processor / whole:8.2f}"
        print(f"{task.name:30}{columns}   {note}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--sizes", type=int, nargs="+", default=[112, 224])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for size in options.sizes:
        report(size, options.images, options.repeats)


if __name__ == "__main__":
    main()
