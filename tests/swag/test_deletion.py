"""The deletion curve by hand, against a loop over pixels, and as a function of the order only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from swag.classifier import Classifier
from swag.curves.ranks import descending_order, removal_step
from swag.curves.scores import area_under
from swag.metrics.deletion import Deletion
from swag.signals import Signals
from swag.types import Fill
from tests.support import reference
from tests.support.toys import (
    MEAN,
    STD,
    Counted,
    Fraction,
    batch_of,
    classifier_of,
    curve_of,
    dyadic,
    images,
    take,
    toy,
    toy_cnn,
    untouched,
)

VALUES = torch.tensor([[0.4, 0.1], [0.3, 0.2]])


def fraction_signals(value_HW: Tensor = VALUES, target: int = 0) -> Signals:
    """Signals of a model whose class 0 has the sum of an image's red values as probability."""
    image_BCHW = torch.zeros(1, 3, *value_HW.shape)
    image_BCHW[0, 0] = value_HW
    classifier = classifier_of(Fraction(), mean=(0,) * 3, std=(1,) * 3)
    return Signals(classifier, batch_of(image_BCHW, target_B=torch.tensor([target])))


def score(signals: Signals, saliency_HW: Tensor, **fields: Any) -> tuple[float, list[float]]:
    result = Deletion(**fields)(signals, saliency_HW[None])
    assert result.value_B.dtype == torch.float64
    assert result.curve_BT is not None
    assert result.curve_BT.dtype == torch.float32
    return result.value_B.item(), result.curve_BT[0].tolist()


def twin(
    classifier: Classifier, image_CHW: Tensor, target: int, saliency_HW: Tensor, metric: Deletion
) -> list[float]:
    black_C = -torch.tensor(MEAN) / torch.tensor(STD)
    return reference.deletion_curve(
        lambda x_CHW: float(classifier.model(x_CHW[None]).softmax(1)[0, target]),
        classifier.normalise(image_CHW[None])[0],
        saliency_HW,
        metric.steps,
        black_C if metric.fill == "black" else torch.zeros(3),
    )


@pytest.mark.parametrize(
    ("saliency", "curve", "area"),
    [
        (VALUES, [1.0, 0.6, 0.3, 0.1, 0.0], 0.375),
        (-VALUES, [1.0, 0.9, 0.7, 0.4, 0.0], 0.625),
        (torch.zeros(2, 2), [1.0, 0.6, 0.5, 0.2, 0.0], 0.45),
        (torch.tensor([[0.0, 5.0], [5.0, -1.0]]), [1.0, 0.9, 0.6, 0.2, 0.0], 0.55),
    ],
    ids=["best", "worst", "all equal", "two equal"],
)
def test_two_by_two_by_hand(saliency: Tensor, curve: list[float], area: float) -> None:
    found_area, found_curve = score(fraction_signals(), saliency, steps=4)
    assert found_curve == pytest.approx(curve, abs=1e-6)
    assert found_area == pytest.approx(area, abs=1e-6)


def test_two_pixels_a_step_by_hand() -> None:
    area, curve = score(fraction_signals(), VALUES, steps=2)
    assert curve == pytest.approx([1.0, 0.3, 0.0], abs=1e-6)
    assert area == pytest.approx((0.5 + 0.3) / 2)


def test_the_curve_follows_the_target_even_where_it_is_not_the_prediction() -> None:
    _, curve = score(fraction_signals(target=1), VALUES, steps=4)
    assert curve == pytest.approx([0.0, 0.4, 0.7, 0.9, 1.0], abs=1e-6)


def test_one_step_is_the_mean_of_both_ends() -> None:
    assert score(fraction_signals(), VALUES, steps=1) == (0.5, [1.0, 0.0])


@pytest.mark.parametrize("fill", ["mean", "black"])
@pytest.mark.parametrize("steps", [1, 3, 7, 28, 60])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 10)])
def test_equals_a_loop_over_pixels(size: tuple[int, int], steps: int, fill: Fill) -> None:
    height, width = size
    image_BCHW = images(2, 16)[:, :, :height, :width]
    metric = Deletion(steps=steps, fill=fill)
    classifier = toy()
    signals = Signals(classifier, batch_of(image_BCHW))
    saliency_BHW = torch.randn(2, height, width).round(decimals=1)  # has ties
    found = metric(signals, saliency_BHW)
    for image in range(2):
        target = int(signals.target_B[image])
        curve = twin(classifier, image_BCHW[image], target, saliency_BHW[image], metric)
        assert curve_of(found)[image].tolist() == pytest.approx(curve, rel=1e-5)
        assert found.value_B[image].item() == pytest.approx(reference.area(curve), rel=1e-5)
    per_step = math.ceil(height * width / steps)
    assert curve_of(found).shape == (2, math.ceil(height * width / per_step) + 1)


def test_the_paper_s_steps_are_of_1792_pixels() -> None:
    step_BHW = removal_step(torch.rand(1, 224, 224), 28)
    assert torch.bincount(step_BHW.flatten()).tolist() == [1792] * 28


def test_as_many_steps_as_pixels() -> None:
    step_BHW = removal_step(-torch.arange(224.0 * 224).view(1, 224, 224), 224 * 224)
    assert torch.equal(step_BHW.flatten(), torch.arange(224 * 224, dtype=torch.int32))


def test_ends_are_the_model_s_own_scores() -> None:
    classifier, batch = toy(), batch_of(images(3))
    signals = Signals(classifier, batch, {"gradient"})
    fills: dict[Fill, float] = {"mean": 0.0, "black": -2.0}
    for fill, value in fills.items():
        found = curve_of(Deletion(fill=fill)(signals, torch.rand(3, 32, 32)))
        rows = torch.arange(3)
        assert torch.equal(found[:, 0], signals.probability_BK[rows, signals.target_B])
        blank = classifier.model(torch.full((1, 3, 32, 32), value)).softmax(1)[0]
        torch.testing.assert_close(found[:, -1], blank[signals.target_B])


def test_costs_27_passes_an_image_and_the_blank_image_once() -> None:
    model = Counted(toy_cnn())
    classifier = classifier_of(model, batch_size=10)
    for repeat in range(2):
        signals = Signals(classifier, batch_of(images(3)))
        signals.target_B  # noqa: B018
        model.forwards.clear()
        for _ in range(2):
            Deletion()(signals, torch.rand(3, 32, 32))
        blank = [1] if repeat == 0 else []
        assert model.forwards == [10] * 8 + [1] + blank + [10] * 8 + [1]
        assert sum(model.forwards) == 2 * 3 * 27 + len(blank)
    assert Deletion().num_forwards == 27


@pytest.mark.parametrize("batch_size", [1, 5, 27, 28, 1000])
def test_batch_size_changes_nothing(batch_size: int) -> None:
    saliency_BHW = torch.rand(3, 32, 32)
    expected = Deletion()(Signals(toy(), batch_of(images(3))), saliency_BHW).curve_BT
    classifier = classifier_of(toy_cnn(), batch_size=batch_size)
    found = Deletion()(Signals(classifier, batch_of(images(3))), saliency_BHW).curve_BT
    torch.testing.assert_close(found, expected)


def test_other_images_of_the_batch_change_nothing() -> None:
    batch, saliency_BHW = batch_of(images(3)), torch.rand(3, 32, 32)
    expected = Deletion()(Signals(toy(), batch), saliency_BHW)
    for index in ([1], [2, 0]):
        found = Deletion()(Signals(toy(), take(batch, index)), saliency_BHW[index])
        torch.testing.assert_close(found.curve_BT, curve_of(expected)[index])


Rising = Callable[[np.ndarray], np.ndarray]
SALIENCIES = hnp.arrays(np.float32, (6, 6), elements=st.integers(-9, 9).map(float))


@given(
    SALIENCIES,
    st.sampled_from([0.125, 1.0, 3.0, 1024.0]),
    st.integers(-50, 50),
    st.sampled_from([lambda s: s**3, np.exp, np.arctan, lambda s: np.sign(s) * np.sqrt(abs(s))]),
)
def test_only_the_order_counts(
    values: np.ndarray, scale: float, shift: int, rising: Rising
) -> None:
    expected = removal_step(torch.from_numpy(values)[None], 7)
    for same_order in (scale * values + shift, rising(values.astype(np.float64))):
        saliency_BHW = torch.from_numpy(same_order.astype(np.float32))[None]
        assert torch.equal(removal_step(saliency_BHW, 7), expected)


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
TINIEST = float(np.float32(1e-45))


@given(
    st.lists(FLOATS | st.sampled_from([0.0, -0.0, TINIEST, -TINIEST, 1.0]), min_size=1, max_size=60)
)
def test_order_is_the_stable_descending_one(values: list[float]) -> None:
    expected = sorted(range(len(values)), key=lambda index: (-values[index], index))
    assert descending_order(torch.tensor([values])).tolist() == [expected]


def test_order_of_many_ties_in_many_rows() -> None:
    value_BP = torch.randint(-3, 3, (4, 5000)).float()
    expected = np.argsort(-value_BP.numpy(), axis=1, kind="stable")
    assert (descending_order(value_BP).numpy() == expected).all()


def test_both_zeros_are_equal() -> None:
    saliency_BHW = torch.tensor([[[-0.0, 0.0, -0.0, 0.0]]])
    assert removal_step(saliency_BHW, 4).tolist() == [[[0, 1, 2, 3]]]


def test_a_saliency_that_is_not_contiguous_keeps_its_rows() -> None:
    saliency_BHW = torch.rand(2, 6, 4)
    turned = saliency_BHW.mT.contiguous().mT
    assert not turned.is_contiguous()
    assert torch.equal(removal_step(turned, 5), removal_step(saliency_BHW, 5))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_saliency_without_an_order_is_refused(value: float) -> None:
    saliency_BHW = torch.rand(1, 2, 2)
    saliency_BHW[0, 1, 0] = value
    with pytest.raises(ValueError, match="not finite, so its pixels have no order"):
        Deletion()(fraction_signals(), saliency_BHW)


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 2, 2), (2, 2)])
def test_a_saliency_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"does not fit images of shape \(1, 3, 2, 2\)"):
        Deletion()(fraction_signals(), torch.zeros(shape))


@pytest.mark.parametrize("steps", [0, -28])
def test_steps_below_one_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 step, got {steps}"):
        Deletion(steps=steps)


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fill 'grey' is unknown; choose one of mean, black"):
        Deletion(fill="grey")  # type: ignore[arg-type]


def test_nothing_is_touched() -> None:
    classifier, batch, saliency_BHW = toy(), batch_of(images(2)), torch.rand(2, 32, 32)
    signals = Signals(classifier, batch)
    with untouched(classifier.model, batch.image_BCHW, saliency_BHW, signals.normalised_BCHW):
        Deletion()(signals, saliency_BHW)


def test_area_is_the_trapezoid_over_the_unit_interval() -> None:
    curve_BT = torch.rand(3, 29)
    expected = np.trapezoid(curve_BT.double().numpy(), dx=1 / 28, axis=1)
    np.testing.assert_allclose(area_under(curve_BT), expected, rtol=1e-12)
    assert area_under(torch.ones(1, 29)).item() == 1


def test_the_area_falls_when_important_pixels_go_first() -> None:
    model = dyadic(toy_cnn(2), seed=5)
    signals = Signals(classifier_of(model), batch_of(images(4), target_B=torch.zeros(4).long()))
    logit_change_BHW = (signals.gradient_BCHW * signals.normalised_BCHW).sum(1)
    best = Deletion()(signals, logit_change_BHW).value_B
    worst = Deletion()(signals, -logit_change_BHW).value_B
    assert (best < worst).all()
