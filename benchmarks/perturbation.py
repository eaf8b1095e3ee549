"""LIME, RISE and XRAI beside their originals: time outside the model, and pass efficiency.

    python -m benchmarks.perturbation [--images 2] [--samples 128] [--masks 256] [--steps 25]

Outside the model: seconds per image at the paper's full counts with a model that costs next to
nothing in place of ResNet50; what that model does cost is included. The RISE twin alone runs
with fewer masks and is scaled, since all its costs grow with their number.

Pass efficiency: (passes that the method demands x ResNet50's best time per pass in this run)
/ time per image at full counts. ResNet50, with random weights, runs with the counts of the command
line; the time less that of the cheap model with the same counts is scaled to full counts, and the
time outside the model at full counts is added. Once by the clock and once by processor time, which
other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from skimage.transform import resize
from torch import Tensor, nn

from benchmarks.measure import photographs, require_plausible
from swag.classifier import Classifier
from swag.denormals import flushed
from swag.explainers.lime import LIME
from swag.explainers.rise import RISE
from swag.explainers.xrai import XRAI
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from swag.types import Batch
from swagflow.hardware import description, tune_allocator

SIDE = 224
FULL = {"lime": 1000, "rise": 8000, "xrai": 100}


class Seconds(NamedTuple):
    wall: float
    processor: float

    def __add__(self, other: Any) -> Seconds:
        return Seconds(self.wall + other.wall, self.processor + other.processor)

    def __sub__(self, other: Any) -> Seconds:
        return Seconds(self.wall - other.wall, self.processor - other.processor)

    def scaled(self, factor: float) -> Seconds:
        return Seconds(self.wall * factor, self.processor * factor)


class Cheap(nn.Module):
    """A linear model of 48 values of the image."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.randn(48, 1000, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        return image[:, :, ::56, ::56].flatten(1) @ self.weight


Run = Callable[[Classifier, Tensor, int], object]


@dataclass(frozen=True)
class Method:
    name: str
    ours: Run
    peer: Run
    backward: bool
    passes_per_count: int = 1
    peer_outside_count: int | None = None
    """Count at which the peer's time outside the model is taken, where not the full one."""


def measured(run: Callable[[], object], device: torch.device) -> Seconds:
    synchronise(device)
    wall, processor = time.perf_counter(), time.process_time()
    run()
    synchronise(device)
    return Seconds(time.perf_counter() - wall, time.process_time() - processor)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def explain(explainer: Any, classifier: Classifier, image_BCHW: Tensor) -> Tensor:
    ids = tuple(map(str, range(len(image_BCHW))))
    result: Tensor = explainer(Signals(classifier, Batch(image_BCHW=image_BCHW, image_ids=ids)))
    return result.cpu()


def softmax_of(classifier: Classifier, image_NHWC: Any) -> np.ndarray:
    image_NCHW = torch.from_numpy(np.asarray(image_NHWC, np.float32)).permute(0, 3, 1, 2)
    normalised = classifier.normalise(image_NCHW.to(classifier.device))
    return classifier.probabilities(normalised).cpu().numpy()


def lime_peer(classifier: Classifier, image_BCHW: Tensor, num_samples: int) -> None:
    from lime import lime_image  # noqa: PLC0415 - not needed for the others

    lime_image.tqdm = iter  # no progress bars
    for image_CHW in image_BCHW:
        lime_image.LimeImageExplainer(random_state=0).explain_instance(
            image_CHW.permute(1, 2, 0).cpu().numpy(),
            lambda images: softmax_of(classifier, images),
            num_samples=num_samples,
            batch_size=classifier.batch_size,
        )


def rise_peer(classifier: Classifier, image_BCHW: Tensor, num_masks: int) -> None:
    """The authors' code, at any size and on any device, with its masks made once for all images."""
    cells, chance, width, device = 7, 0.5, image_BCHW.shape[-1], classifier.device
    cell = -(-width // cells)
    draws = np.random.default_rng(0)
    grids = (draws.random((num_masks, cells, cells)) < chance).astype("float32")
    masks = np.empty((num_masks, width, width))
    for mask, grid in zip(masks, grids, strict=True):
        x, y = draws.integers(cell, size=2)
        side = (cells + 1) * cell
        up = resize(grid, (side, side), order=1, mode="reflect", anti_aliasing=False)
        mask[:] = up[x : x + width, y : y + width]
    mask_N1HW = torch.from_numpy(masks[:, None]).float().to(device)
    for normalised_CHW in classifier.normalise(image_BCHW):
        stack = normalised_CHW[None] * mask_N1HW
        chunks = stack.split(classifier.batch_size)
        probability_NK = torch.cat([classifier.probabilities(chunk) for chunk in chunks])
        saliency = probability_NK.T @ mask_N1HW.view(num_masks, width**2)
        saliency.view(-1, width, width).div_(num_masks).div_(chance)


def xrai_peer(classifier: Classifier, image_BCHW: Tensor, steps: int) -> None:
    import saliency.core as peer_saliency  # noqa: PLC0415 - likewise

    for image_CHW in image_BCHW:
        image_HWC = image_CHW.permute(1, 2, 0).cpu().numpy()
        target = int(softmax_of(classifier, image_HWC[None]).argmax())

        def gradients(images: np.ndarray, target: int = target, **_: object) -> dict[str, Any]:
            x = torch.from_numpy(images).float().permute(0, 3, 1, 2).to(classifier.device)
            x.requires_grad_()
            probability_NK = classifier.model(classifier.normalise(x)).softmax(1)
            (gradient,) = torch.autograd.grad(probability_NK[:, target].sum(), x)
            return {"INPUT_OUTPUT_GRADIENTS": gradient.permute(0, 2, 3, 1).cpu().numpy()}

        peer_saliency.XRAI().GetMask(
            image_HWC,
            gradients,
            batch_size=max(1, classifier.batch_size // 2),
            extra_parameters=peer_saliency.XRAIParameters(steps=steps),
        )


METHODS = (
    Method(
        "lime",
        lambda model, images, count: explain(LIME(num_samples=count), model, images),
        lime_peer,
        backward=False,
    ),
    Method(
        "rise",
        lambda model, images, count: explain(RISE(num_masks=count), model, images),
        rise_peer,
        backward=False,
        peer_outside_count=400,
    ),
    Method(
        "xrai",
        lambda model, images, count: explain(XRAI(steps=count), model, images),
        xrai_peer,
        backward=True,
        passes_per_count=2,
    ),
)


def best_pass(classifier: Classifier, *, backward: bool) -> Seconds:
    """Return the time per image of a pass at the best batch size up to the methods' own."""
    device, size = classifier.device, classifier.batch_size // (2 if backward else 1)
    found = []
    while size >= 4:
        x = torch.randn(size, 3, SIDE, SIDE, device=device, requires_grad=backward)

        def run(x: Tensor = x) -> object:
            if not backward:
                return classifier.probabilities(x)
            return torch.autograd.grad(classifier.model(x).softmax(1)[:, 0].sum(), x)

        run()
        times = [measured(run, device).scaled(1 / size) for _ in range(5)]
        found.append(Seconds(*np.median(times, axis=0).tolist()))
        size //= 2
    return Seconds(min(each.wall for each in found), min(each.processor for each in found))


def compare(
    method: Method, cheap: Classifier, real: Classifier, image_BCHW: Tensor, count: int
) -> list[str]:
    """Return the lines of a method's report."""
    device, full, share = real.device, FULL[method.name], 1 / len(image_BCHW)

    def seconds(run: Run, classifier: Classifier, count: int) -> Seconds:
        return measured(lambda: run(classifier, image_BCHW, count), device).scaled(share)

    one = best_pass(real, backward=method.backward)
    if method.backward:
        alone = best_pass(real, backward=False)
        require_plausible(alone.processor, one.processor - alone.processor)
    demanded = one.scaled(method.passes_per_count * full)
    lines = [
        f"\n{method.name}: {method.passes_per_count * full} passes an image; ResNet50 "
        f"{'forward and backward' if method.backward else 'forward'} "
        f"{1000 * one.wall:.1f} ms by the clock, {1000 * one.processor:.1f} ms of processor"
    ]
    for name, run, at in (
        ("ours", method.ours, full),
        ("peer", method.peer, method.peer_outside_count or full),
    ):
        run(cheap, image_BCHW[:1], 2)  # what is paid once, such as imports
        outside = seconds(run, cheap, at).scaled(full / at)
        small = seconds(run, cheap, count)
        with_model = seconds(run, real, count)
        whole = (with_model - small).scaled(full / count) + outside
        note = f" (scaled from {at})" if at != full else ""
        lines.append(
            f"  {name}: outside the model {outside.wall:.3f} s by the clock, "
            f"{outside.processor:.3f} s of processor{note}; with ResNet50 {with_model.wall:.2f} s "
            f"at {count}, {whole.wall:.1f} s scaled to {full}; pass "
            f"efficiency {demanded.wall / whole.wall:.2f} by the clock, "
            f"{demanded.processor / whole.processor:.2f} by processor time; peak memory so far "
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--samples", type=int, default=128, help="LIME with ResNet50")
    parser.add_argument("--masks", type=int, default=256, help="RISE with ResNet50")
    parser.add_argument("--steps", type=int, default=25, help="XRAI with ResNet50")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--methods", nargs="+", default=list(FULL), choices=list(FULL))
    options = parser.parse_args()
    tune_allocator()
    device, size = torch.device(options.device), options.batch_size
    spec = ModelSpec(architecture="resnet50", weights="random:0", num_classes=1000)
    real = load_classifier(spec, device=device, batch_size=size)
    cheap = Classifier(Cheap().eval().to(device), batch_size=size)
    image_BCHW = photographs(options.images, (SIDE, SIDE)).to(device)
    counts = {"lime": options.samples, "rise": options.masks, "xrai": options.steps}
    print(description(), f"threads: {torch.get_num_threads()}, images: {options.images}")
    for method in METHODS:
        if method.name in options.methods:
            with flushed():
                lines = compare(method, cheap, real, image_BCHW, counts[method.name])
            print(*lines, sep="\n")


if __name__ == "__main__":
    main()
