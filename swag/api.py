"""The first contact: one call from a model and images to saliencies, and one to their scores."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swag.catalog import EXPLAINERS, METRICS
from swag.classifier import Classifier, frozen
from swag.default import WITH_RELU, default_method
from swag.denormals import flushed
from swag.lookup import preset
from swag.progress import Tell, on_stderr, watched
from swag.protocols import Explainer, Metric
from swag.signals import Signals
from swag.targets import Target
from swag.types import Batch, Score


def explain(  # noqa: PLR0913 - each may be left out
    model: nn.Module | Classifier,
    images: Tensor,
    *,
    method: str | Explainer | None = None,
    target: str | int | Sequence[int] | Tensor | None = None,
    seed: int = 0,
    image_ids: Sequence[str] | None = None,
    progress: bool | Tell = False,
    **classifier_options: Any,
) -> Tensor:
    """Return the saliency of every pixel for a model's decision.

    Args:
        model: an image classifier that maps normalised images to logits; it is left as it was
            found.
        images: (B, C, H, W), or (C, H, W) for one, in [0, 1], not normalised; three channels are
            RGB. Of other than three, `mean` and `std` are needed.
        method: a name of `swag.EXPLAINERS`, or an explainer with fields of your own; None: what
            `swag.default_method` says, which is "swag_ig" unless the model calls no ReLU, as a
            warning then tells.
        target: the class to explain, one for all images or one each; None or "predicted": the
            predicted one; "top:K": the K-th by falling logit. For labels, give them.
        seed: of what a method draws at random.
        image_ids: names of the images, by which random numbers are theirs; None: "0", "1", ... in
            their order, so that an image has others where it stands elsewhere.
        progress: True: tell on stderr how far a method of many passes is; a function: it is told,
            see `swag.progress.Tell`.
        classifier_options: `mean`, `std`, `cam_layer`, `batch_size`, `output` of `Classifier`,
            where `model` is not one already.

    Returns:
        float32 (B, H, W), or (H, W) for one image; higher is more important.

    Raises:
        ValueError: an unknown method, images outside [0, 1], targets that are no classes or not one
            for each image, a model the method cannot explain or that is not float32.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 10))
    >>> explain(model, torch.rand(2, 3, 64, 64), method="grad_cam").shape
    torch.Size([2, 64, 64])
    """
    with flushed(), _classifier(model, classifier_options) as classifier:
        batch = _batch(classifier, images, target, seed, image_ids)
        with _channels_told(images):
            explainer = _explainer(_default(classifier, batch) if method is None else method)
            with _watched(classifier, explainer, len(batch), progress):
                saliency_BHW = explainer(Signals(classifier, batch, explainer.needs))
    return saliency_BHW[0] if images.ndim == 3 else saliency_BHW


def score(  # noqa: PLR0913 - each may be left out
    model: nn.Module | Classifier,
    images: Tensor,
    maps: Tensor | np.ndarray,
    *,
    metric: str | Metric = "deletion",
    explainer: str | Explainer | None = None,
    target: str | int | Sequence[int] | Tensor | None = None,
    boxes: Sequence[Tensor | None] | None = None,
    masks: Tensor | None = None,
    seed: int = 0,
    image_ids: Sequence[str] | None = None,
    **classifier_options: Any,
) -> Score:
    """Return how faithful ready maps are, whoever made them: one value for each image.

    Args:
        model, images, target, seed, image_ids, classifier_options: as in `explain`.
        maps: one value for each pixel, (B, H, W), or (H, W) for one image; higher is more
            important.
        metric: a name of `swag.METRICS`, or a metric with fields of your own.
        explainer: the method that made the maps, for metrics that explain again.
        boxes: per image its object's boxes, (N, 4) of x0, y0, x1, y1 in pixels, x1 and y1 past the
            last one; for metrics of localisation.
        masks: bool (B, H, W), the object's pixels, likewise.

    Raises:
        ValueError: as `explain`; an unknown metric, maps that do not fit the images or are not
            finite.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 10))
    >>> images, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 64, 64)
    >>> score(model, images, maps, metric="insertion").value_B.shape
    torch.Size([2])
    """
    with flushed(), _classifier(model, classifier_options) as classifier:
        judge = _metric(metric)
        batch = _batch(classifier, images, target, seed, image_ids)
        batch = replace(
            batch,
            boxes=None if boxes is None else tuple(boxes),
            mask_BHW=None if masks is None else masks.to(classifier.device),
        )
        map_BHW = torch.as_tensor(maps).detach().to(classifier.device, torch.float32)
        if images.ndim == 3 and map_BHW.ndim == 2:
            map_BHW = map_BHW[None]
        with _channels_told(images):
            signals = Signals(classifier, batch)
            if explainer is not None:
                signals = signals.of_explainer(_explainer(explainer))
            return judge(signals, map_BHW)


@contextmanager
def _classifier(model: nn.Module | Classifier, options: Mapping[str, Any]) -> Iterator[Classifier]:
    """Yield a model as a classifier; it is left as it was found."""
    if not isinstance(model, nn.Module):
        if options:
            raise ValueError(
                f"{', '.join(options)} belong to the Classifier, which is there already"
            )
        yield model
        return
    _require_float32(model)
    with frozen(model):
        yield Classifier(model, **options)


@contextmanager
def _watched(
    classifier: Classifier, explainer: Explainer, num_images: int, progress: bool | Tell
) -> Iterator[None]:
    """Tell inside the block how far the explainer is, where that is asked for."""
    with ExitStack() as stack:
        tell = None if isinstance(progress, bool) else progress
        if progress is True:
            tell = stack.enter_context(on_stderr(type(explainer).__name__))
        stack.enter_context(watched(classifier, explainer, num_images, tell))
        yield


@contextmanager
def _channels_told(images: Tensor) -> Iterator[None]:
    """Say so where a model's first layer wants other channels than the images have."""
    try:
        yield
    except RuntimeError as error:
        if "channels" not in str(error):
            raise
        raise ValueError(
            f"the model does not take images of {images.shape[-3]} channels: {error}"
        ) from error


def _default(classifier: Classifier, batch: Batch) -> str:
    """Return the method where none is chosen; say so where it is not the usual one."""
    name = default_method(classifier, batch.image_BCHW)
    if name != WITH_RELU:
        warnings.warn(
            f"the model calls no ReLU, so there is no guided gradient for swag_ig: the method is "
            f"{name!r}, which takes plain ones; choose by method=",
            stacklevel=3,
        )
    return name


def _metric(metric: object) -> Metric:
    """Return the metric of a name, or what is one."""
    found = preset("metric", metric, METRICS) if isinstance(metric, str) else metric
    if isinstance(found, type) or not isinstance(found, Metric) or isinstance(found, Explainer):
        what = f"the class {found.__name__}" if isinstance(found, type) else repr(found)
        raise ValueError(
            f"metric must be the name of a metric or one with its fields, got {what}; "
            "write Deletion(steps=28), for example, or 'deletion'"
        )
    return found


def _explainer(method: object) -> Explainer:
    """Return the explainer of a name, or what is one."""
    found = preset("explainer", method, EXPLAINERS) if isinstance(method, str) else method
    if isinstance(found, type) or not isinstance(found, Explainer):
        what = f"the class {found.__name__}" if isinstance(found, type) else repr(found)
        raise ValueError(
            f"method must be the name of an explainer or one with its fields, got {what}; "
            "write RISE(num_masks=100), for example, or 'rise'"
        )
    return found


def _batch(
    classifier: Classifier,
    images: Tensor,
    target: str | int | Sequence[int] | Tensor | None,
    seed: int,
    image_ids: Sequence[str] | None,
) -> Batch:
    image_BCHW = images[None] if images.ndim == 3 else images
    count = len(image_BCHW) if image_BCHW.ndim else 0
    target_B, place = None, 1
    if isinstance(target, str):
        rule = Target.parse(target)
        if rule.kind != "top":
            raise ValueError(
                f"target {target!r}: wanted predicted, top:K, or numbers of classes; labels and "
                "names are known to a data set only"
            )
        place = rule.number
    elif target is not None:
        target_B = torch.as_tensor(target, device=classifier.device)
        if target_B.ndim > 1 or (target_B.ndim == 1 and len(target_B) not in {1, count}):
            raise ValueError(
                f"targets must be one class for all images or one for each of {count}, got shape "
                f"{tuple(target_B.shape)}"
            )
        target_B = target_B.expand(count)
    return Batch(
        image_BCHW=image_BCHW.detach().to(classifier.device, torch.float32),
        image_ids=tuple(map(str, range(count) if image_ids is None else image_ids)),
        target_B=target_B,
        target_place=place,
        seed=seed,
    )


def _require_float32(model: nn.Module) -> None:
    kinds = {parameter.dtype for parameter in model.parameters()} - {torch.float32}
    if kinds:
        raise ValueError(
            f"the model's parameters are {', '.join(sorted(map(str, kinds)))}, and explanations "
            "are computed in float32; give model.float(), or a copy of it"
        )
