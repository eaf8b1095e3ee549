"""Perturbation curves by hand, against a loop over points, and beside their originals."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from swag.catalog import FILLINGS, METRICS
from swag.classifier import Classifier
from swag.curves.fillings import Black, Blur, ImageMean, MeanColour, NoisyLinear, UniformNoise
from swag.curves.imputation import impute
from swag.metrics.deletion import Deletion
from swag.metrics.insertion import Insertion
from swag.metrics.perturbation import PerturbationCurve
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels import SLIC, Pixel, Squares
from swag.types import Score
from tests.support.toys import (
    MEAN,
    STD,
    Counted,
    Fraction,
    batch_of,
    classifier_of,
    curve_of,
    images,
    take,
    toy,
    toy_cnn,
    untouched,
)

VALUES = torch.tensor([[0.4, 0.1], [0.3, 0.2]])
CURVES = {name: metric for name, metric in METRICS.items() if isinstance(metric, PerturbationCurve)}


def fraction_signals(target: int = 0) -> Signals:
    """Signals of a model whose class 0 has the sum of an image's red values as probability."""
    image_BCHW = torch.zeros(1, 3, 2, 2)
    image_BCHW[0, 0] = VALUES
    classifier = classifier_of(Fraction(), mean=(0,) * 3, std=(1,) * 3)
    return Signals(classifier, batch_of(image_BCHW, target_B=torch.tensor([target])))


def score(
    saliency_HW: Tensor = VALUES, target: int = 0, **fields: Any
) -> tuple[float, list[float]]:
    found = PerturbationCurve(**fields)(fraction_signals(target), saliency_HW[None])
    assert found.value_B.dtype == torch.float64
    assert curve_of(found).dtype == torch.float32
    return found.value_B.item(), curve_of(found)[0].tolist()


@pytest.mark.parametrize(
    ("fields", "curve", "value"),
    [
        ({}, [1.0, 0.6, 0.3, 0.1, 0.0], 0.375),
        ({"order": "least_relevant_first"}, [1.0, 0.9, 0.7, 0.4, 0.0], 0.625),
        ({"order": "difference"}, [0.0, 0.3, 0.4, 0.3, 0.0], 0.25),
        ({"action": "insert"}, [0.0, 0.4, 0.7, 0.9, 1.0], 0.625),
        ({"action": "insert", "order": "least_relevant_first"}, [0, 0.1, 0.3, 0.6, 1], 0.375),
        ({"action": "insert", "order": "difference"}, [0.0, 0.3, 0.4, 0.3, 0.0], 0.25),
        ({"area": "over"}, [1.0, 0.6, 0.3, 0.1, 0.0], 0.625),
        ({"score": "correct"}, [1.0, 1.0, 0.0, 0.0, 0.0], 0.375),
        ({"unit": Squares(side=2)}, [1.0, 1.0, 1.0, 1.0, 0.0], 0.875),
        ({"steps": 2}, [1.0, 0.3, 0.0], 0.4),
        ({"steps": 1}, [1.0, 0.0], 0.5),
        ({"steps": None, "fractions": (0.25, 0.75)}, [0.6, 0.1], 0.35),
        ({"steps": None, "fractions": (0.5,)}, [0.3], 0.3),
        ({"steps": None, "fractions": (0.3, 0.8, 1.0)}, [0.6, 0.1, 0.0], 0.185 / 0.7),
    ],
)  # fmt: skip
def test_two_by_two_by_hand(fields: dict[str, Any], curve: list[float], value: float) -> None:
    found_value, found_curve = score(**{"steps": 4, **fields})
    assert found_curve == pytest.approx(curve, abs=1e-6)
    assert found_value == pytest.approx(value, abs=1e-6)


def test_a_relative_score_is_a_share_of_the_whole_image_s() -> None:
    value, curve = score(steps=4, score="relative", area="over")
    assert value == pytest.approx(0.625)
    assert curve == pytest.approx([1.0, 0.6, 0.3, 0.1, 0.0], abs=1e-6)
    value, curve = score(target=1, steps=4, score="relative")
    assert math.isnan(value), "a share of 0 is no number"
    assert all(map(math.isnan, curve))


def test_a_logit_is_read_as_it_is() -> None:
    signals = Signals(toy(), batch_of(images(2)))
    found = curve_of(PerturbationCurve(score="logit")(signals, torch.rand(2, 32, 32)))
    assert torch.equal(found[:, 0], signals.logit_BK.gather(1, signals.target_B[:, None])[:, 0])


@pytest.mark.parametrize("steps", [4, 16, 32])
def test_it_is_deletion_and_insertion_where_steps_divide_the_pixels(steps: int) -> None:
    saliency_BHW = torch.randn(3, 32, 32).round(decimals=1)
    pairs: list[tuple[Any, PerturbationCurve]] = [
        (Deletion(steps=steps), PerturbationCurve(steps=steps)),
        (Deletion(steps=steps, fill="black"), PerturbationCurve(steps=steps, fill=Black())),
        (Insertion(steps=steps), PerturbationCurve(steps=steps, action="insert")),
    ]
    for known, curve in pairs:
        signals = Signals(toy(), batch_of(images(3)))
        expected, found = known(signals, saliency_BHW), curve(signals, saliency_BHW)
        assert torch.equal(curve_of(found), curve_of(expected))
        assert torch.equal(found.value_B, expected.value_B)
        assert known.higher_is_better == curve.higher_is_better


def twin(
    metric: PerturbationCurve, classifier: Classifier, signals: Signals, map_HW: Tensor
) -> Any:
    """The curve of a batch's one image, pixel by pixel and point by point."""
    x_CHW = signals.normalised_BCHW[0]
    labels_HW = metric.unit(signals)[0]
    count = int(labels_HW.max()) + 1
    means = [float(map_HW[labels_HW == label].double().mean().float()) for label in range(count)]
    target = int(signals.target_B[0])

    def read(x_CHW: Tensor) -> float:
        logit_K = classifier.model(x_CHW[None].clone())[0]
        if metric.score == "correct":
            return float(int(logit_K.argmax()) == target)
        return float(logit_K[target] if metric.score == "logit" else logit_K.softmax(0)[target])

    def curve(sign: int) -> np.ndarray:
        order = sorted(range(count), key=lambda label: (-sign * means[label], label))
        found = []
        for share in metric.shares:
            changed = set(order[: math.floor(share * count + 1e-9)])
            gone_HW = torch.tensor(
                [
                    [(int(label) in changed) == (metric.action == "remove") for label in row]
                    for row in labels_HW
                ]
            )
            found.append(read(filled(metric.fill, signals, x_CHW, gone_HW)))
        result = np.array(found)
        return result / read(x_CHW) if metric.score == "relative" else result

    if metric.order == "difference":
        high = 1 if metric.action == "insert" else -1
        return curve(high) - curve(-high)
    return curve(-1 if metric.order == "least_relevant_first" else 1)


def filled(fill: Any, signals: Signals, x_CHW: Tensor, gone_HW: Tensor) -> Tensor:
    """The image with one pixel after the other replaced."""
    batch = signals.batch
    blank_CHW = torch.zeros_like(x_CHW)
    if fill == Black():
        blank_CHW[:] = -MEAN[0] / STD[0]
    elif fill == FILLINGS["white"]:
        blank_CHW[:] = (1 - MEAN[0]) / STD[0]
    elif fill == ImageMean():
        blank_CHW[:] = x_CHW.mean((1, 2))[:, None, None]
    elif fill == UniformNoise():
        draws = generator(batch.seed, batch.image_ids[0], "uniform fill")
        noise = draws.random(tuple(x_CHW.shape), dtype=np.float32)
        blank_CHW = (torch.from_numpy(noise) - MEAN[0]) / STD[0]
    elif isinstance(fill, Blur):
        peak = np.zeros((fill.width, fill.width))
        peak[fill.width // 2, fill.width // 2] = 1
        kernel = torch.from_numpy(gaussian_filter(peak, fill.sigma)).float()
        blank_CHW = nn.functional.conv2d(
            x_CHW[:, None], kernel[None, None], padding=fill.width // 2
        )[:, 0]
    elif isinstance(fill, NoisyLinear):
        draws = generator(batch.seed, batch.image_ids[0], "imputation")
        noise = draws.standard_normal(tuple(x_CHW.shape), dtype=np.float32)
        imputed_CHW = impute(x_CHW, gone_HW[None, None].float())[0]
        blank_CHW = imputed_CHW + fill.noise * torch.from_numpy(noise)
    return torch.where(gone_HW, blank_CHW, x_CHW)


UNITS = [Pixel(), Squares(side=5), SLIC(num_segments=12)]
ORDERS = ["most_relevant_first", "least_relevant_first", "difference"]
CASES = [
    *({"fill": fill} for fill in FILLINGS.values()),
    *({"fill": fill, "action": "insert"} for fill in FILLINGS.values()),
    *({"unit": unit, "order": order} for unit, order in itertools.product(UNITS, ORDERS)),
    *({"score": name} for name in ("logit", "correct", "relative")),
    {"steps": None, "fractions": (0.1, 0.45, 0.7)},
    {"steps": None, "fractions": (0.0, 0.5), "fill": NoisyLinear(noise=0.0)},
    {"unit": UNITS[2], "steps": 40},
    {"unit": UNITS[1], "fill": Blur(sigma=2, width=5), "action": "insert", "order": "difference"},
]


@pytest.mark.parametrize("fields", CASES, ids=str)
def test_equals_a_loop_over_points(fields: dict[str, Any]) -> None:
    metric = PerturbationCurve(**{"steps": 6, **fields})
    image_BCHW = images(3, 20)[:, :, :17]
    saliency_BHW = torch.from_numpy(np.random.default_rng(5).integers(-9, 9, (3, 17, 20))).float()
    batch = batch_of(image_BCHW, seed=4)
    found = metric(Signals(toy(), batch), saliency_BHW)
    for index in range(3):
        signals = Signals(toy(), take(batch, [index]))
        curve = twin(metric, signals.classifier, signals, saliency_BHW[index])
        assert curve_of(found)[index].tolist() == pytest.approx(curve.tolist(), rel=1e-4, abs=1e-5)
        x = np.array(metric.shares)
        area = np.trapezoid(curve, x) / (x[-1] - x[0])
        assert found.value_B[index].item() == pytest.approx(area, rel=1e-4, abs=1e-5)


def test_the_blurred_start_is_that_of_rise() -> None:
    """`gkern` and `blur` of its authors' evaluation.py, written anew from their description."""
    inp = np.zeros((11, 11))
    inp[5, 5] = 1
    kernel = torch.from_numpy(gaussian_filter(inp, 5)).float()
    weight = torch.zeros(3, 3, 11, 11)
    for channel in range(3):
        weight[channel, channel] = kernel
    signals = Signals(toy(), batch_of(images(2)))
    expected = nn.functional.conv2d(signals.normalised_BCHW, weight, padding=5)
    found = torch.empty(1, 3, 32, 32)
    for index in range(2):
        Blur()(signals)(index, torch.zeros(1, 1, 32, 32), found)
        torch.testing.assert_close(found[0], expected[index], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", CURVES)
def test_presets_run_the_passes_that_they_declare(name: str) -> None:
    metric = CURVES[name] if CURVES[name].fractions else dataclasses.replace(CURVES[name], steps=7)
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model, batch_size=5), batch_of(images(3)))
    signals.target_B  # noqa: B018
    model.forwards.clear()
    metric(signals, torch.rand(3, 32, 32))
    blank = 1 if metric.fill.is_constant else 0
    assert sum(model.forwards) == 3 * metric.num_forwards + blank
    orders = 2 if metric.order == "difference" else 1
    full, rest = divmod(3 * metric.num_forwards // orders, 5)
    assert sorted(model.forwards, reverse=True)[: full * orders] == [5] * full * orders
    assert not rest or rest in model.forwards


@pytest.mark.parametrize(
    ("name", "higher", "passes"),
    [
        ("insertion_blur", True, 224),
        ("morf", False, 27),
        ("lerf", True, 27),
        ("abpc", True, 54),
        ("irof", True, 28),
        ("road", False, 7),
        ("road_lerf", True, 7),
    ],
)
def test_presets_say_which_way_is_better_and_what_they_cost(
    name: str, higher: bool, passes: int
) -> None:
    assert (CURVES[name].higher_is_better, CURVES[name].num_forwards) == (higher, passes)


@pytest.mark.parametrize("name", CURVES)
def test_good_maps_score_better_than_bad_ones(name: str) -> None:
    """A model that adds up what it sees: the best order is known."""
    weight_HW = torch.linspace(0.2, 2, 24 * 24)[torch.randperm(576)].view(24, 24)
    image_BCHW = torch.full((1, 3, 24, 24), 0.75)

    class Sum(nn.Module):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            total_B = (x_BCHW.mean(1) * weight_HW).mean((1, 2))
            return torch.stack([4 * total_B, 2 + 0 * total_B], 1)

    classifier = Classifier(Sum().eval(), mean=MEAN, std=STD, batch_size=8)
    metric = dataclasses.replace(CURVES[name], fill=MeanColour(), unit=Squares(side=2))
    signals = Signals(classifier, batch_of(image_BCHW, target_B=torch.tensor([0])))
    good = float(metric(signals, weight_HW[None]).value_B)
    bad = float(metric(signals, -weight_HW[None]).value_B)
    assert (good > bad) == metric.higher_is_better


@pytest.mark.parametrize("name", CURVES)
def test_other_images_and_the_batch_size_change_nothing(name: str) -> None:
    metric = CURVES[name] if CURVES[name].fractions else dataclasses.replace(CURVES[name], steps=5)
    batch, saliency_BHW = batch_of(images(3), seed=2), torch.rand(3, 32, 32)
    expected = metric(Signals(toy(), batch), saliency_BHW)
    for index, size in (([1], 3), ([2, 0], 50)):
        classifier = classifier_of(toy_cnn(), batch_size=size)
        found = metric(Signals(classifier, take(batch, index)), saliency_BHW[index])
        torch.testing.assert_close(found.curve_BT, curve_of(expected)[index], atol=1e-4, rtol=1e-4)


@given(st.integers(0, 2**30), st.sampled_from(["remove", "insert"]))
def test_the_least_relevant_first_are_the_most_relevant_of_the_negated_map(
    seed: int, action: Any
) -> None:
    draws = np.random.default_rng(seed).integers(-3, 3, (1, 8, 8))
    saliency_BHW = torch.from_numpy(draws).float()

    def found(order: Any, map_BHW: Tensor) -> Score:
        metric = PerturbationCurve(order=order, action=action, steps=5)
        return metric(Signals(toy(), batch_of(images(1, 8))), map_BHW)

    least, most = (
        found("least_relevant_first", saliency_BHW),
        found("most_relevant_first", -saliency_BHW),
    )
    assert torch.equal(curve_of(least), curve_of(most))
    both = found("difference", saliency_BHW).value_B
    sign = 1 if action == "remove" else -1
    other = found("most_relevant_first", saliency_BHW).value_B
    torch.testing.assert_close(both, sign * (least.value_B - other), atol=1e-6, rtol=0)


def test_units_are_found_once_for_all_maps() -> None:
    found: list[int] = []

    @dataclasses.dataclass(frozen=True)
    class Halves:
        needs = frozenset[str]()

        def __call__(self, signals: Signals) -> Tensor:
            found.append(1)
            return torch.arange(2).repeat_interleave(512).view(1, 32, 32).expand(2, -1, -1)

    signals = Signals(toy(), batch_of(images(2)))
    for _ in range(3):
        PerturbationCurve(unit=Halves(), steps=2)(signals, torch.rand(2, 32, 32))
    assert found == [1]


def test_nothing_is_touched() -> None:
    classifier, batch, saliency_BHW = toy(), batch_of(images(2)), torch.rand(2, 32, 32)
    signals = Signals(classifier, batch)
    with untouched(classifier.model, batch.image_BCHW, saliency_BHW, signals.normalised_BCHW):
        for metric in CURVES.values():
            metric(signals, saliency_BHW)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, "a curve needs at least 1 step, got 0"),
        ({"steps": 5, "fractions": (0.5,)}, "a curve has steps or fractions, got both"),
        ({"fractions": ()}, r"fractions must rise within 0 to 1.*got \(\)"),
        ({"fractions": (0.5, 0.5)}, "fractions must rise within 0 to 1"),
        ({"fractions": (0.5, 1.5)}, "fractions must rise within 0 to 1"),
        ({"order": "best_first"}, "order 'best_first' is unknown; choose one of most_relevant"),
        ({"action": "hide"}, "action 'hide' is unknown; choose one of remove, insert"),
        ({"score": "margin"}, "score 'margin' is unknown"),
        ({"area": "over", "order": "difference"}, "has no area over it"),
        ({"unit": SLIC(features="gradient")}, "units must be the same for every explainer"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PerturbationCurve(**fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blur(sigma=0), "sigma must be positive"),
        (lambda: Blur(width=4), "width must be an odd number of pixels, got 4"),
        (lambda: NoisyLinear(noise=-1), "noise must be at least 0, got -1"),
        (lambda: Squares(side=0), "side must be at least 1 pixel, got 0"),
    ],
)
def test_parts_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_saliencies_without_an_order_or_of_another_shape_are_refused() -> None:
    signals = Signals(toy(), batch_of(images(1)))
    with pytest.raises(ValueError, match="not finite, so its pixels have no order"):
        PerturbationCurve(unit=Squares())(signals, torch.full((1, 32, 32), torch.nan))
    with pytest.raises(ValueError, match=r"does not fit images of shape"):
        PerturbationCurve()(signals, torch.zeros(1, 4, 4))
