"""What every explainer and metric of the catalog must keep to; new ones are taken up unasked."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

import swag
from swag.catalog import EXPLAINER_METRICS, EXPLAINERS, METRICS
from swag.lookup import lookup
from swag.metrics.deletion import Deletion
from swag.protocols import Explainer, ExplainerMetric, Metric, explanations_of
from swag.signals import Signals
from swag.testing import check_explainer, check_metric
from swag.types import Batch, Score
from tests.support.toys import (
    annotated,
    classifier_of,
    columns_of,
    images,
    is_for_transformers,
    judged,
    reduced,
    take,
    toy,
    toy_cnn,
    toy_for,
)

SMALL_EXPLAINERS = {name: reduced(explainer) for name, explainer in EXPLAINERS.items()}
SMALL_METRICS = {name: reduced(metric) for name, metric in METRICS.items()}
each_explainer = pytest.mark.parametrize("name", EXPLAINERS)
each_explainer_often = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name == "xrai" else ())  # 0.3 s an image
        for name in EXPLAINERS
    ],
)
each_metric = pytest.mark.parametrize("name", METRICS)
ITEMS = [*EXPLAINERS.values(), *METRICS.values(), *EXPLAINER_METRICS.values()]
each = pytest.mark.parametrize("item", ITEMS, ids=repr)


def explained(explainer: Explainer, batch: Batch, batch_size: int = 4) -> Tensor:
    classifier = classifier_of(toy_for(explainer), batch_size=batch_size)
    return explainer(Signals(classifier, batch, explainer.needs))


def ramp(batch: Batch) -> Tensor:
    """A saliency with ties that differs from image to image."""
    count, _, height, width = batch.image_BCHW.shape
    row_HW = torch.arange(height * width).view(height, width) // 5
    shift_B = torch.tensor([hash_of(name) for name in batch.image_ids])
    return ((row_HW + shift_B.view(count, 1, 1)) % 101).float()


def tensors_of(batch: Batch) -> list[Tensor]:
    found = [batch.image_BCHW, batch.label_B, batch.mask_BHW, *(batch.boxes or ())]
    return [tensor for tensor in found if tensor is not None]


def hash_of(name: str) -> int:
    return sum(name.encode())


def assert_same(found: Tensor, expected: Tensor) -> None:
    scale = float(expected.abs().max()) or 1.0
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * scale)


def assert_same_score(found: Score, expected: Score, index: list[int], rtol: float = 1e-5) -> None:
    torch.testing.assert_close(
        found.value_B, expected.value_B[index], rtol=rtol, atol=rtol / 100, equal_nan=True
    )
    if expected.curve_BT is not None:
        torch.testing.assert_close(found.curve_BT, expected.curve_BT[index], rtol=rtol, atol=rtol)
    assert found.columns.keys() == expected.columns.keys()
    for name, column in columns_of(found).items():
        wanted = columns_of(expected)[name][index]
        torch.testing.assert_close(column, wanted, rtol=1e-5, atol=1e-7, equal_nan=True)


@each
def test_is_a_frozen_configuration(item: Any) -> None:
    assert type(item).__doc__
    assert item.version >= 1
    assert type(item)(**{f.name: getattr(item, f.name) for f in dataclasses.fields(item)}) == item
    assert hash(item) == hash(dataclasses.replace(item))
    for field in dataclasses.fields(item):
        assert f"{field.name}=" in repr(item)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(item, field.name, None)
    assert isinstance(item, Explainer | Metric | ExplainerMetric)


@each_explainer_often
def test_an_explainer_keeps_to_the_contract(name: str) -> None:
    explainer = SMALL_EXPLAINERS[name]
    check_explainer(explainer, model=toy_for(explainer))


@each_metric
def test_a_metric_keeps_to_the_contract(name: str) -> None:
    check_metric(SMALL_METRICS[name])


@each_explainer
@pytest.mark.parametrize("size", [(32, 32), (24, 40)], ids=["square", "wide"])
def test_saliency_has_shape_type_and_finite_values(name: str, size: tuple[int, int]) -> None:
    image_BCHW = images(2, 40)[:, :, : size[0], : size[1]].contiguous()
    saliency_BHW = explained(SMALL_EXPLAINERS[name], annotated(image_BCHW))
    assert saliency_BHW.shape == (2, *size)
    assert saliency_BHW.dtype == torch.float32
    assert saliency_BHW.device == image_BCHW.device
    assert not saliency_BHW.requires_grad
    assert torch.isfinite(saliency_BHW).all()
    assert any(saliency_HW.unique().numel() > 1 for saliency_HW in saliency_BHW)


@each_explainer
def test_constant_images_are_explained_too(name: str) -> None:
    values = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1)
    batch = annotated(values.expand(3, 3, 32, 32).contiguous())
    assert torch.isfinite(explained(SMALL_EXPLAINERS[name], batch)).all()


@pytest.mark.slow
def test_explainers_that_share_signals_do_not_disturb_each_other() -> None:
    batch = annotated(images(2))
    of_cnns = {k: item for k, item in SMALL_EXPLAINERS.items() if not is_for_transformers(item)}
    for explainers in (of_cnns, dict(reversed(of_cnns.items()))):
        needs = itertools.chain.from_iterable(item.needs for item in explainers.values())
        signals = Signals(toy(), batch, needs)
        shared = {name: explainer(signals) for name, explainer in explainers.items()}
        for name, saliency_BHW in shared.items():
            assert_same(saliency_BHW, explained(explainers[name], batch))


@each_metric
def test_constant_saliencies_are_scored_or_null(name: str) -> None:
    batch = annotated(images(2))
    score = SMALL_METRICS[name](judged(Signals(toy(), batch)), torch.zeros(2, 32, 32))
    assert not torch.isinf(score.value_B).any()


@each_metric
def test_no_other_image_and_no_batch_size_changes_a_score(name: str) -> None:
    metric, batch = SMALL_METRICS[name], annotated(images(3))
    expected = metric(judged(Signals(toy(), batch)), ramp(batch))
    for index, batch_size in (([0, 1, 2], 1), ([2, 0, 1], 5), ([1], 64)):
        classifier, part = classifier_of(toy_cnn(), batch_size=batch_size), take(batch, index)
        # What is explained again is rounded again, and so are differences of explanations.
        rtol = 1e-3 if explanations_of(metric) else 1e-5
        found = metric(judged(Signals(classifier, part)), ramp(part))
        assert_same_score(found, expected, index, rtol)


@each_explainer_often
def test_explain_gives_what_the_explainer_gives(name: str) -> None:
    explainer, image_BCHW = SMALL_EXPLAINERS[name], images(2)
    model = toy_for(explainer).train()
    found = swag.explain(
        model, image_BCHW, method=explainer, mean=(0.5,) * 3, std=(0.25,) * 3, target=3
    )
    batch = Batch(image_BCHW=image_BCHW, image_ids=("0", "1"), target_B=torch.tensor([3, 3]))
    assert_same(found, explained(explainer, batch))
    assert all(module.training for module in model.modules())


def test_explain_takes_one_image_and_a_name() -> None:
    image_CHW = images(1)[0]
    found = swag.explain(toy_cnn(), image_CHW, method="guided_backprop")
    expected = swag.explain(toy_cnn(), image_CHW[None], method=EXPLAINERS["guided_backprop"])
    assert torch.equal(found, expected[0])
    found = swag.explain(toy_cnn(), image_CHW, method="swag.explainers:GuidedBackprop")
    assert torch.equal(found, expected[0])


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"explainer 'swagig' is unknown; did you mean 'swag_ig'"):
        lookup("explainer", "swagig", EXPLAINERS)
    with pytest.raises(ValueError, match=r"metric 'x' is unknown\. Known: abpc, avg_sensitivity"):
        lookup("metric", "x", METRICS)
    with pytest.raises(ValueError, match=r"'swag\.nowhere:Thing' cannot be imported: No module"):
        lookup("explainer", "swag.nowhere:Thing", EXPLAINERS)
    named: object = lookup("metric", "swag.metrics.deletion:Deletion", METRICS)
    assert named is Deletion
