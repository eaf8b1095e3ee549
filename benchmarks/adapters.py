"""Do maps of other libraries depend on what shares their batch, or on global random numbers?

    python -m benchmarks.adapters [--only captum:Occlusion ...]

Each method explains a photograph by its library's own call for batches: beside a second one, beside
a third one instead, alone, and with global random numbers seeded anew. Seeds that a library takes
stay. The last column is the same method as swagflow calls it, with the neighbour and the seed
changed at once.
"""

from __future__ import annotations

import argparse
import io
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from benchmarks.measure import photographs
from swag.adapters import of_captum, of_grad_cam, of_lxt, of_shap, of_torchcam, of_zennit
from swag.adapters.adapted import Adapted, Handed, OneImage, split
from swag.adapters.names import all_names
from swag.classifier import Classifier
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from swag.types import Batch

PARAMETERS: dict[str, dict[str, Any]] = {
    "captum:KernelShap": {"n_samples": 60},
    "captum:Lime": {"n_samples": 60},
    "captum:NoiseTunnel": {"stdevs": 0.5},
    "captum:ShapleyValueSampling": {"n_samples": 2},
    "lime:image": {"num_samples": 60},
    "saliency:BlurIG": {"steps": 8},
    "saliency:GuidedIG": {"x_steps": 20},
    "saliency:Occlusion": {"size": 40},
    "shap:PartitionExplainer": {"max_evals": 60},
    "torchcam:ISCAM": {"num_samples": 2},
    "torchcam:SSCAM": {"num_samples": 2},
}
"""Fewer passes than by default; and noise whose size is not taken from the batch."""
ALONE = ("lime", "saliency", "shap:PartitionExplainer")
"""They take one image at a time."""
SIZE, TARGET, TOLERANCE = 64, 3, 1e-4


@dataclass(frozen=True)
class FirstOfAll(OneImage):
    """The first image, beside all others of its batch where a library takes several."""

    @property
    def x_1CHW(self) -> Tensor:
        return self.handed.signals.normalised_BCHW.detach().clone().requires_grad_()


def networks() -> dict[str, Classifier]:
    """Two small networks and a transformer: a method has the first that it does not refuse."""
    torch.manual_seed(0)
    shape: Mapping[str, int] = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    transformer = VisionTransformer(SIZE, 16, num_classes=5, **shape)
    nn.init.normal_(transformer.heads.head.weight)  # zeros, before a training
    tiny = {
        name: load_classifier(
            ModelSpec(architecture=name), device=torch.device("cpu"), batch_size=8
        )
        for name in ("tiny_vgg", "tiny_resnet")
    }
    return {
        **tiny,
        "a small ViT": Classifier(transformer.eval().requires_grad_(requires_grad=False)),
    }


def signals_of(classifier: Classifier, *images: int) -> Signals:
    chosen = photographs(3, (SIZE, SIZE))[list(images)]
    targets = torch.full((len(images),), TARGET)
    return Signals(classifier, Batch(chosen, tuple(map(str, images)), target_B=targets))


def explained(name: str, signals: Signals) -> Tensor:
    """The first image's map by the library's own call for several."""
    library, _, method = name.partition(":")
    image = FirstOfAll(Handed.of(signals), 0)
    parameters = dict(PARAMETERS.get(name, {}))
    if library == "grad_cam":
        return grad_cam(method, image, parameters)
    if library == "zennit":
        return zennit(method, image, parameters)
    modules: dict[str, Any] = {
        "captum": of_captum, "lxt": of_lxt, "shap": of_shap, "torchcam": of_torchcam,
    }  # fmt: skip
    found = torch.as_tensor(modules[library].explain(method, image, 0, parameters)).detach()
    return found if library == "shap" else found[0]


def grad_cam(method: str, image: OneImage, parameters: dict[str, Any]) -> Tensor:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415

    kind = of_grad_cam._class(method)
    made, called = split(parameters, kind.__init__)
    image.model.requires_grad_(method in of_grad_cam.BY_WEIGHTS)
    reshape = None if method == "FullGrad" else image.reshaped
    targets: Any = [ClassifierOutputTarget(TARGET) for _ in image.x_1CHW]
    if method == "FinerCAM":
        called, targets = {"target_idx": TARGET}, None
    with kind(image.model, [image.layer], reshape_transform=reshape, **made) as cam:
        return torch.as_tensor(cam(image.x_1CHW, targets, **called)[0])


def zennit(method: str, image: OneImage, parameters: dict[str, Any]) -> Tensor:
    from zennit.attribution import Gradient  # noqa: PLC0415

    if method == "EpsilonGammaBox":
        classifier = image.handed.signals.classifier
        ends = (torch.full_like(image.x_1CHW.detach(), value) for value in (0.0, 1.0))
        parameters["low"], parameters["high"] = (classifier.normalise(end) for end in ends)
    composite = of_zennit._class(method)(canonizers=of_zennit._canonizers(image), **parameters)
    num_classes = image.handed.signals.logit_BK.shape[1]
    wanted_BK = torch.eye(num_classes)[[TARGET] * len(image.x_1CHW)]
    with Gradient(model=image.model, composite=composite) as attributor:
        relevance_BCHW: Tensor = attributor(image.x_1CHW, wanted_BK)[1]
    return relevance_BCHW.detach()[0]


def seeded(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def difference(first: Tensor, second: Tensor) -> str:
    if torch.equal(first, second):
        return "same bits"
    scale = float(first.abs().max()) or 1.0
    found = float((first - second).abs().max()) / scale
    return "rounding" if found <= TOLERANCE else "differs"


def compared(name: str, classifier: Classifier) -> list[str]:
    """How far the map changes beside another image, alone, by another seed, and in swagflow."""
    ours = Adapted(method=name, parameters=PARAMETERS.get(name, {}))

    def by_library(seed: int, *images: int) -> Tensor:
        seeded(seed)
        return explained(name, signals_of(classifier, *images))

    seeded(0)
    here = ours(signals_of(classifier, 0, 1))[0]
    seeded(1)
    through = difference(here, ours(signals_of(classifier, 2, 0))[1])
    if name.startswith(ALONE):
        return ["takes one", "takes one", by_itself(name, classifier), through]
    first = by_library(0, 0, 1)
    others = (by_library(0, 0, 2), by_library(0, 0), by_library(1, 0, 1))
    return [*(difference(first, other) for other in others), through]


def by_itself(name: str, classifier: Classifier) -> str:
    """How far another global seed changes the map of a method that takes one image at a time."""
    method = name.partition(":")[2]
    module = Adapted(method=name)._module
    maps = []
    for seed in (0, 1):
        seeded(seed)
        image = OneImage(Handed.of(signals_of(classifier, 0)), 0)
        found = module.explain(method, image, 0, dict(PARAMETERS.get(name, {})))
        maps.append(torch.as_tensor(found))
    return difference(*maps)


def answers(name: str, classifiers: Mapping[str, Classifier]) -> tuple[str, ...]:
    """The network and its answers, or that all networks are refused."""
    reason = ""
    for network, classifier in classifiers.items():
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                return (network, *compared(name, classifier))
        except Exception as error:  # noqa: BLE001 - whatever a library raises
            reason = reason or str(error).partition(".")[0][:70]
    return (f"refused: {reason}", "", "", "", "")


def lines(names: list[str]) -> Iterator[str]:
    classifiers = networks()
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        key = (name.partition(":")[0], *answers(name, classifiers))
        alike.setdefault(key, []).append(f"`{name}`")
    yield "| methods | network | another neighbour | alone | another global seed | in swagflow |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for (_, *found), methods in alike.items():
        yield f"| {', '.join(methods)} | {' | '.join(found)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for line in lines(options.only or all_names()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
