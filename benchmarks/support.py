"""Which method explains which family of models, and where it does not, why.

    python -m benchmarks.support [--only resnet18 hf/vit ...]
    python -m benchmarks.support --adapters [--only captum:Occlusion ...]

The first runs every explainer of the catalogue, with few masks, samples and steps, on one image and
a model of each family with random weights. The second does so with every method of other libraries
on the package's two small models, twice with one seed and once with another.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import photographs
from swag.adapters.adapted import Adapted
from swag.adapters.names import all_names
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier
from swag.models import ModelSpec, fixed_size, load_classifier
from swag.signals import Signals
from swag.types import Batch

CNNS = (
    "resnet18", "vgg11", "densenet121", "googlenet", "squeezenet1_1", "mobilenet_v3_small",
    "regnet_y_400mf", "efficientnet_b0", "convnext_tiny", "timm/test_nfnet",
)  # fmt: skip
TRANSFORMERS = (
    "vit_b_32", "swin_t", "timm/vit_tiny_patch16_224", "timm/deit_tiny_distilled_patch16_224",
    "timm/beit_base_patch16_224", "timm/eva02_tiny_patch14_224", "timm/cait_xxs24_224",
    "timm/pit_ti_224", "timm/levit_128s", "hf/vit", "hf/dinov2",
)  # fmt: skip
FEW = 8
PARAMETERS: dict[str, dict[str, Any]] = {"saliency:Occlusion": {"size": 100}}
"""Of methods that would take minutes: with its own 15 it slides a window over every pixel."""


def shortened(item: Any) -> Any:
    """The same explainer with at most a few masks, samples and steps."""
    changes = {
        field.name: FEW
        for field in dataclasses.fields(item)
        if field.name in {"num_channels", "num_masks", "num_samples", "steps"}
        and type(getattr(item, field.name)) is int
    }
    return dataclasses.replace(item, **changes)


def classifier_of(architecture: str) -> Classifier:
    spec = ModelSpec(architecture=architecture, weights="random:0", num_classes=10)
    return load_classifier(spec, device=torch.device("cpu"), batch_size=16)


def family(architecture: str) -> tuple[str, dict[str, str]]:
    """Grad-CAM's layer, and why each explainer that is refused is."""
    spec = ModelSpec(architecture=architecture, weights="random:0", num_classes=10)
    classifier = classifier_of(architecture)
    batch = Batch(photographs(1, fixed_size(spec) or (224, 224)), ("0",))
    refused = {}
    for name, explainer in EXPLAINERS.items():
        try:
            shortened(explainer)(Signals(classifier, batch, explainer.needs))
        except ValueError as error:
            refused[name] = str(error)
    return classifier.cam_layer or "none", refused


def families(names: list[str]) -> Iterator[str]:
    reasons: dict[str, set[str]] = {}
    yield "| family | Grad-CAM's layer | work | refused |"
    yield "| --- | --- | --- | --- |"
    for name in names:
        layer, refused = family(name)
        for method, reason in refused.items():
            reasons.setdefault(reason.partition("(")[0].strip(), set()).add(method)
        listed = ", ".join(f"`{method}`" for method in refused) or "none"
        yield f"| `{name}` | `{layer}` | {len(EXPLAINERS) - len(refused)} | {listed} |"
    yield ""
    for reason, methods in reasons.items():
        yield f"- {', '.join(f'`{method}`' for method in sorted(methods))}: {reason}"


def adapters(names: list[str]) -> Iterator[str]:
    models = ("tiny_resnet", "tiny_vgg")
    yield f"| method | {' | '.join(f'`{name}`, s' for name in models)} | draws at random |"
    yield "| --- | --- | --- | --- |"
    classifiers = [
        load_classifier(ModelSpec(architecture=name), device=torch.device("cpu"), batch_size=16)
        for name in models
    ]
    image = photographs(1, (112, 112))
    for name in names:
        found = [timed(name, classifier, image) for classifier in classifiers]
        draws = {answer for _, answer in found if answer}
        yield f"| `{name}` | {' | '.join(text for text, _ in found)} | {', '.join(draws)} |"


def timed(name: str, classifier: Classifier, image_1CHW: Tensor) -> tuple[str, str]:
    """Seconds for the image, or that it is refused; and whether another seed changes the map."""
    maps = []
    start = time.perf_counter()
    try:
        for seed in (0, 1):
            maps.append(
                Adapted(method=name, parameters=PARAMETERS.get(name, {}))(
                    Signals(classifier, Batch(image_1CHW, ("0",), seed=seed))
                )
            )
    except Exception as error:  # noqa: BLE001 - whatever a library raises
        return f"refused: {str(error).partition('.')[0][:70]}", ""
    seconds = (time.perf_counter() - start) / 2
    return f"{seconds:.2f}", "no" if torch.allclose(maps[0], maps[1], rtol=1e-4) else "yes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--adapters", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.adapters:
        lines = adapters(options.only or all_names())
    else:
        lines = families(options.only or [*CNNS, *TRANSFORMERS])
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
