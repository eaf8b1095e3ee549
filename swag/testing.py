"""What explainers and metrics of one's own must keep to, as one call for their tests.

A benchmark relies on it: shards, order and resuming change no number because no method looks at
its neighbours, and a plan is right because passes are declared.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.explainers.gradient import VanillaGradient
from swag.protocols import (
    Explainer,
    Metric,
    explanations_of,
    forwards_once,
    judging_passes,
    shared_passes,
)
from swag.signals import SIGNALS, Signals
from swag.toys import MEAN, STD, Counted, small_cnn, small_images
from swag.types import Batch, Kind, Score

TOLERANCE, AGAIN = 1e-5, 1e-3
"""By how much of its largest value a result may differ where only the batch does: by rounding, and
by that of explanations made again, which are compared with each other."""
SPLITS = (([0, 1, 2], 1), ([2, 0, 1], 5), ([1], 64))
"""Which images of three, in which order, and at which batch size."""


JUDGED = VanillaGradient()
"""Whose saliencies a metric is told it has, should it explain again."""


class ContractError(AssertionError):
    """An explainer or metric does not keep to what a benchmark relies on; it says all at once."""


def check_explainer(explainer: object, *, model: nn.Module | None = None) -> None:
    """Try an explainer on three small images and hold it to its contract.

    It must be a frozen dataclass that says its kind and signals; give one finite float32 for each
    pixel; change neither model, images nor global random numbers; give the same again, whatever
    the batch size, order and other images; run the passes that it declares (`num_forwards`,
    `num_backwards`) or fewer.

    Args:
        explainer: an instance, with few masks or samples where it has such.
        model: what it is tried on, of three channels, 32x32 pixels and frozen weights; None: a
            small CNN with ReLUs.

    Raises:
        ContractError: with all that is wrong.
    """
    if isinstance(explainer, type) or not isinstance(explainer, Explainer):
        raise ContractError(
            f"{explainer!r} is no explainer: wanted an instance with version, kind, needs and "
            "__call__"
        )
    wrong = list(_of_form(explainer))
    if explainer.kind not in get_args(Kind):
        wrong.append(f"kind is {explainer.kind!r}, wanted one of {', '.join(get_args(Kind))}")
    if unknown := explainer.needs - SIGNALS:
        raise ContractError(f"needs has {sorted(unknown)}; known: {', '.join(sorted(SIGNALS))}")
    own: Explainer = explainer

    def explained(signals: Signals) -> Tensor:
        return own(signals)

    wrong += _watched(explained, model or small_cnn(), own.needs, own)
    if not wrong:
        wrong += _of_neighbours(explained, model or small_cnn(), own.needs, TOLERANCE)
    _raise(explainer, wrong)


def check_metric(metric: object, *, model: nn.Module | None = None) -> None:
    """Try a metric on saliencies of three small images and hold it to its contract.

    As `check_explainer`, but that it gives one float64 for each image, NaN where it has none. The
    images have labels, a box and a mask each.

    Raises:
        ContractError: with all that is wrong.
    """
    if isinstance(metric, type | Explainer) or not isinstance(metric, Metric):
        raise ContractError(
            f"{metric!r} is no metric: wanted an instance with version, higher_is_better and "
            "__call__"
        )
    wrong = list(_of_form(metric))
    if not isinstance(metric.higher_is_better, bool):
        wrong.append(f"higher_is_better is {metric.higher_is_better!r}, wanted True or False")
    own: Metric = metric

    def scored(signals: Signals) -> Score:
        return own(signals.of_explainer(JUDGED), _ramp(signals.batch))

    wrong += _watched(scored, model or small_cnn(), frozenset(), own)
    if not wrong:
        tolerance = AGAIN if explanations_of(own) else TOLERANCE
        wrong += _of_neighbours(scored, model or small_cnn(), frozenset(), tolerance)
    _raise(metric, wrong)


def _of_form(item: Any) -> Iterator[str]:
    kind: Any = type(item)
    if not hasattr(kind, "__dataclass_params__"):
        yield f"{kind.__name__} is no dataclass: its fields are what identifies its rows"
        return
    if not kind.__dataclass_params__.frozen:
        yield f"{kind.__name__} is not frozen: write @dataclass(frozen=True, kw_only=True)"
    elif hash(item) != hash(dataclasses.replace(item)):
        yield "a copy with the same fields has another hash"
    if not kind.__doc__ or kind.__doc__.startswith(f"{kind.__name__}("):
        yield f"{kind.__name__} has no docstring, which lists and reports show"
    version = getattr(item, "version", None)
    if not isinstance(version, int) or version < 1:
        yield f"version is {version!r}, wanted a number from 1"


def _watched(
    compute: Callable[[Signals], Tensor | Score],
    model: nn.Module,
    needs: frozenset[str],
    item: object,
) -> Iterator[str]:
    """Yield what is wrong with results, passes, and what is left behind."""
    counted = Counted(model)
    batch = _batch()
    signals = Signals(_classifier(counted, 8), batch, needs)
    if needs & {"layer", "layer_activation"}:
        signals.classifier.layer(batch.image_BCHW[:1])  # a few passes to find it, once a model
        counted.forwards.clear()
        counted.backwards.clear()
    signals.target_B  # noqa: B018 - a property that runs the passes that all share
    before, copy_BCHW = _state(counted), batch.image_BCHW.clone()
    found = compute(signals)
    after = _state(counted)
    yield from (f"it changed {name}" for name in before if before[name] != after[name])
    if not torch.equal(batch.image_BCHW, copy_BCHW):
        yield "it overwrote the images"
    yield from _of_saliency(found) if isinstance(item, Explainer) else _of_score(found)
    shared, own = shared_passes(needs), judging_passes(item, JUDGED)
    limits = (
        shared.forwards + own.forwards + forwards_once(item),
        shared.backwards + own.backwards,
    )
    for what, run, limit in zip(
        ("forward", "backward"), (counted.forwards, counted.backwards), limits, strict=True
    ):
        # That of an image of one colour is run once a model, whoever is first.
        if sum(run) > limit * len(batch) + (what == "forward"):
            yield (
                f"it ran {sum(run) / len(batch):g} {what} passes an image and declares {limit}: "
                f"say so by num_{what}s, or plans are wrong"
            )


def _of_saliency(found: object) -> Iterator[str]:
    wanted = "wanted float32 of shape (3, 32, 32)"
    if not isinstance(found, Tensor):
        yield f"it returned a {type(found).__name__}, {wanted}"
    elif found.shape != (3, 32, 32) or found.dtype != torch.float32:
        yield f"it returned {found.dtype} of shape {tuple(found.shape)}, {wanted}"
    elif found.requires_grad:
        yield "the saliency carries a gradient graph; return it detached"
    elif not torch.isfinite(found).all():
        yield "the saliency has values that are not finite"


def _of_score(found: object) -> Iterator[str]:
    if not isinstance(found, Score):
        yield f"it returned a {type(found).__name__}, wanted a swag.Score"
        return
    value_B = found.value_B
    if value_B.shape != (3,) or value_B.dtype != torch.float64:
        yield (
            f"value_B is {value_B.dtype} of shape {tuple(value_B.shape)}, wanted float64 of (3,)"
        )
    if torch.isinf(value_B).any():
        yield "a value is infinite; NaN says that an image has none"
    if found.curve_BT is not None and len(found.curve_BT) != len(value_B):
        yield "curve_BT has not a row for each image"


def _of_neighbours(
    compute: Callable[[Signals], Tensor | Score],
    model: nn.Module,
    needs: frozenset[str],
    tolerance: float,
) -> Iterator[str]:
    """Yield what is wrong with results of the same images in other company."""

    def values(index: list[int], batch_size: int) -> Tensor:
        found = compute(Signals(_classifier(model, batch_size), _batch(index), needs))
        return found if isinstance(found, Tensor) else found.value_B

    expected = values([0, 1, 2], 4)
    if not torch.equal(values([0, 1, 2], 4).nan_to_num(), expected.nan_to_num()):
        yield "a second run gave another result; draw by swag.rng.generator"
        return
    scale = float(expected.nan_to_num().abs().max()) or 1.0
    for index, batch_size in SPLITS:
        found = values(index, batch_size)
        if not torch.allclose(
            found, expected[index], rtol=tolerance, atol=tolerance * scale, equal_nan=True
        ):
            yield (
                f"images {index} in passes of {batch_size} gave other values than among all three "
                "in passes of 4: a result may depend on its own image only"
            )


def _batch(index: list[int] | None = None) -> Batch:
    rows = [0, 1, 2] if index is None else index
    mask_BHW = torch.zeros(len(rows), 32, 32, dtype=torch.bool)
    mask_BHW[:, 4:12, 6:20] = True
    return Batch(
        image_BCHW=small_images(3)[rows],
        image_ids=tuple(f"image-{row}" for row in rows),
        seed=3,
        label_B=torch.tensor(rows),
        boxes=(torch.tensor([[6.0, 4.0, 20.0, 12.0]]),) * len(rows),
        mask_BHW=mask_BHW,
    )


def _classifier(model: nn.Module, batch_size: int) -> Classifier:
    return Classifier(model, mean=MEAN, std=STD, batch_size=batch_size)


def _ramp(batch: Batch) -> Tensor:
    """Return a saliency with ties that differs from image to image."""
    row_HW = torch.arange(32 * 32).view(32, 32) // 5
    shift_B = torch.tensor([int(name.rpartition("-")[2]) * 37 for name in batch.image_ids])
    return ((row_HW + shift_B.view(-1, 1, 1)) % 101).float()


def _state(model: nn.Module) -> Mapping[str, object]:
    return {
        "the weights": {name: value.tolist() for name, value in model.state_dict().items()},
        "the parameters' gradients": [value.grad is None for value in model.parameters()],
        "which parameters want gradients": [value.requires_grad for value in model.parameters()],
        "training and evaluation modes": [module.training for module in model.modules()],
        "the model's hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for m in model.modules()
        ],
        "whether gradients are recorded": torch.is_grad_enabled(),
        "torch's random numbers": torch.get_rng_state().tolist(),
        "NumPy's random numbers": np.random.get_state(legacy=False)["state"]["key"].tolist(),  # noqa: NPY002
        "Python's random numbers": random.getstate(),
    }


def _raise(item: object, wrong: list[str]) -> None:
    if wrong:
        raise ContractError(f"{item!r}:" + "".join(f"\n- {each}" for each in wrong))
