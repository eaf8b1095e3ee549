"""Metrics that explain an image again, against captum, literal loops and cases by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import captum.metrics
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from skimage.feature import hog
from skimage.metrics import structural_similarity
from torch import Tensor

import swag
from swag.classifier import Classifier
from swag.explainers import Centre, Noise, VanillaGradient
from swag.metrics import Equivariance, RelativeStability, Sensitivity
from swag.metrics.robustness import noisy_images
from swag.signals import Signals
from swag.similarity import similarity
from tests.support.toys import Linear, batch_of, classifier_of, images, toy, toy_cnn

INNER = images(3) * 0.5 + 0.25
"""Images that noise does not carry out of [0, 1]."""
GRADIENT = VanillaGradient()


@dataclass(frozen=True)
class Brightness:
    """The sum over colours, doubled where an image is brighter than grey."""

    version: ClassVar[int] = 1
    kind: ClassVar[Any] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        return signals.batch.image_BCHW.sum(1)


def explained(explainer: Any, classifier: Classifier, image_BCHW: Tensor) -> tuple[Signals, Tensor]:
    signals = Signals(classifier, batch_of(image_BCHW), explainer.needs).of_explainer(explainer)
    return signals, explainer(signals)


def test_max_sensitivity_is_captums_for_the_same_noise() -> None:
    metric = Sensitivity(num_samples=4)
    signals, map_BHW = explained(GRADIENT, toy(), INNER)
    found_B = metric(signals, map_BHW).value_B
    noisy_SBCHW = torch.stack(list(noisy_images(signals, metric.radius, 4)))
    for n in range(3):
        target = int(signals.target_B[n])

        def again(inputs: Any, target: int = target) -> tuple[Tensor]:
            image_BCHW = inputs[0] if isinstance(inputs, tuple) else inputs
            return (swag.explain(signals.classifier, image_BCHW, method=GRADIENT, target=target),)

        expected = captum.metrics.sensitivity_max(
            again,
            INNER[n : n + 1],
            perturb_func=lambda _inputs, _radius, n=n: noisy_SBCHW[:, n],
            n_perturb_samples=4,
            norm_ord=2,
        )
        assert found_B[n].item() == pytest.approx(expected.item(), rel=1e-5)
    assert float(found_B.min()) > 0
    mean_B = Sensitivity(num_samples=4, statistic="mean")(signals, map_BHW).value_B
    assert bool((mean_B <= found_B).all())


def test_noise_stays_within_its_radius_and_belongs_to_the_image() -> None:
    signals = Signals(toy(), batch_of(INNER))
    first, second = noisy_images(signals, 0.1, 2)
    assert float((first - INNER).abs().max()) <= 0.1 + 1e-6
    assert float((first - INNER).abs().max()) > 0.09
    assert not torch.equal(first, second)
    batch = batch_of(INNER[1:2], image_ids=("image-1",))
    alone = next(noisy_images(Signals(toy(), batch), 0.1, 1))
    assert torch.equal(alone[0], first[1])
    white = next(noisy_images(Signals(toy(), batch_of(torch.ones(1, 3, 4, 4))), 0.1, 1))
    assert float(white.max()) == 1


def test_what_ignores_the_image_is_perfectly_robust() -> None:
    signals, map_BHW = explained(Centre(), toy(), INNER)
    assert Sensitivity(num_samples=2)(signals, map_BHW).value_B.tolist() == [0, 0, 0]
    nothing = Sensitivity(num_samples=2)(signals, torch.zeros(3, 32, 32)).value_B
    assert bool(torch.isnan(nothing).all())
    assert RelativeStability(num_samples=2)(signals, map_BHW).value_B.tolist() == [0, 0, 0]


def test_a_linear_model_has_the_sensitivity_that_follows() -> None:
    """The gradient of a linear model is the same everywhere; brightness moves with the noise."""
    linear = classifier_of(Linear(torch.rand(2, 3, 32, 32)))
    signals, map_BHW = explained(GRADIENT, linear, INNER)
    assert Sensitivity(num_samples=2)(signals, map_BHW).value_B.tolist() == [0, 0, 0]
    signals, map_BHW = explained(Brightness(), linear, INNER)
    (noisy,) = noisy_images(signals, 0.02, 1)
    change_B = (noisy - INNER).sum(1).flatten(1).double().norm(dim=1)
    expected_B = change_B / INNER.sum(1).flatten(1).double().norm(dim=1)
    found_B = Sensitivity(num_samples=1)(signals, map_BHW).value_B
    torch.testing.assert_close(found_B, expected_B, rtol=1e-5, atol=0)


@pytest.mark.parametrize("against", ["input", "output"])
def test_relative_stability_equals_its_formula_in_loops(against: Any) -> None:
    metric = RelativeStability(against=against, num_samples=3, radius=0.2)
    signals, map_BHW = explained(GRADIENT, toy(), INNER)
    found_B = metric(signals, map_BHW).value_B
    classifier = signals.classifier

    def quotient(after: Tensor, before: Tensor) -> float:
        total = 0.0
        for a, b in zip(after.flatten().tolist(), before.flatten().tolist(), strict=True):
            total += ((a - b) / (metric.epsilon if abs(b) < metric.epsilon else b)) ** 2
        return total**0.5

    for n in range(3):
        values = []
        for image_BCHW in noisy_images(signals, 0.2, 3):
            x_CHW = classifier.normalise(image_BCHW)[n]
            logit_K = classifier.all_logits(x_CHW[None].clone())[0]
            if int(logit_K.argmax()) != int(signals.prediction_B[n]):
                continue
            after_HW = signals.explained_again(image_BCHW)[n]
            by = quotient(x_CHW, signals.normalised_BCHW[n])
            if against == "output":
                by = float((logit_K - signals.logit_BK[n]).double().norm())
            values.append(quotient(after_HW, map_BHW[n]) / max(by, metric.epsilon))
        expected = max(values) if values else float("nan")
        assert found_B[n].item() == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_stability_is_null_where_no_copy_keeps_its_class() -> None:
    class Fickle(torch.nn.Module):
        """Gives exact images another class than noisy ones."""

        def forward(self, x_BCHW: Tensor) -> Tensor:
            odd_B = (x_BCHW * 4 + 2 - (x_BCHW * 4 + 2).round()).abs().sum((1, 2, 3))
            return torch.stack([odd_B, 1 - odd_B], 1)

    signals, map_BHW = explained(
        Brightness(), classifier_of(Fickle().eval()), torch.ones(1, 3, 8, 8)
    )
    assert bool(torch.isnan(RelativeStability(num_samples=3)(signals, map_BHW).value_B).all())


def test_equivariance_of_what_moves_along_and_of_what_does_not() -> None:
    for transform in ("flip", "shift"):
        metric = Equivariance(transform=transform)
        moving = metric(*explained(Brightness(), toy(), INNER)).value_B
        assert moving.tolist() == pytest.approx([1, 1, 1])
        fixed = metric(*explained(Noise(), toy(), INNER)).value_B
        assert float(fixed.abs().max()) < 0.2
    centred = Equivariance()(*explained(Centre(), toy(), INNER)).value_B
    assert centred.tolist() == pytest.approx([1, 1, 1])


def test_similarities_are_scipys_and_skimages() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 4, 16, 16)).round(1)
    a_BHW, b_BHW = torch.from_numpy(first), torch.from_numpy(second)
    for n in range(4):
        pair = first[n], second[n]
        rank = spearmanr(pair[0].ravel(), pair[1].ravel()).statistic
        assert similarity(a_BHW, b_BHW, "spearman")[n].item() == pytest.approx(rank)
        linear = np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1]
        assert similarity(a_BHW, b_BHW, "pearson")[n].item() == pytest.approx(linear)
        structure = structural_similarity(*pair, data_range=np.ptp(np.stack(pair)))
        assert similarity(a_BHW, b_BHW, "ssim")[n].item() == pytest.approx(structure)
        assert similarity(a_BHW, a_BHW, "ssim")[n].item() == pytest.approx(1)
    flat = similarity(a_BHW, torch.ones(4, 16, 16), "spearman")
    assert bool(torch.isnan(flat).all())


@pytest.mark.parametrize(("scale", "other"), [(2, 1), (1e-6, 3e-6), (5, -5)])
def test_maps_of_any_ranges_have_skimages_structural_similarity(scale: float, other: float) -> None:
    rng = np.random.default_rng(1)
    first_HW = scale * rng.random((32, 32)) - scale / 3
    second_HW = other * (first_HW / scale + 0.2 * rng.random((32, 32)))
    extent = np.ptp(np.stack([first_HW, second_HW]))
    expected = structural_similarity(first_HW, second_HW, data_range=extent)
    pair = torch.from_numpy(first_HW)[None], torch.from_numpy(second_HW)[None]
    assert similarity(*pair, "ssim").item() == pytest.approx(expected, abs=1e-4)


def test_maps_of_the_smallest_values_keep_their_ranks() -> None:
    rng = np.random.default_rng(2)
    first_HW, second_HW = 1e-12 * rng.random((2, 16, 16)) - 3e-12
    rank = spearmanr(first_HW.ravel(), second_HW.ravel()).statistic
    pair = torch.from_numpy(first_HW)[None], torch.from_numpy(second_HW)[None]
    assert similarity(*pair, "spearman").item() == pytest.approx(rank, abs=1e-4)


def test_of_oriented_gradients_it_is_skimages_whatever_the_maps_scale() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 3, 32, 40)).round(1)
    a_BHW, b_BHW = torch.from_numpy(first), torch.from_numpy(second)
    found_B = similarity(a_BHW, b_BHW, "hog")
    for n in range(3):
        pair = [hog((m - m.min()) / np.ptp(m)) for m in (first[n], second[n])]
        assert found_B[n].item() == pytest.approx(np.corrcoef(*pair)[0, 1])
    assert similarity(a_BHW * 1e-9 - 3e-9, b_BHW, "hog").tolist() == pytest.approx(found_B.tolist())
    assert similarity(a_BHW, a_BHW, "hog").tolist() == pytest.approx([1, 1, 1])


def test_oriented_gradients_by_hand() -> None:
    """Of a ramp all gradients have one direction: a ninth of each histogram, in all cells."""
    across_HW = torch.arange(24.0).expand(24, -1)
    pair = across_HW[None], across_HW.T[None]
    # Each cell's share of 9 is one 1 and eight 0 elsewhere for both: (0 - 1/81) / (1/9 - 1/81).
    assert similarity(*pair, "hog").item() == pytest.approx(-1 / 8, abs=2e-3)
    upside_down = similarity(pair[0], -pair[0], "hog").item()
    assert upside_down == pytest.approx(1), "directions have no sign"


def test_what_has_no_oriented_gradients_is_null_and_small_maps_are_refused() -> None:
    chess_HW = torch.arange(24)[:, None] + torch.arange(24)
    ramp_1HW = torch.arange(576.0).view(1, 24, 24)
    assert torch.isnan(similarity((chess_HW % 2).double()[None], ramp_1HW, "hog")).all()
    with pytest.raises(ValueError, match="at least 24x24 pixels, got 23x24; choose another"):
        similarity(ramp_1HW[:, 1:], ramp_1HW[:, 1:], "hog")


def test_what_only_rounding_parts_are_ties() -> None:
    steps = torch.arange(4.0).repeat_interleave(64).view(1, 16, 16)
    noisy = steps * (1 + 1e-7 * torch.randn(1, 16, 16, dtype=torch.float64))
    assert similarity(steps, noisy, "spearman").item() == pytest.approx(1, abs=1e-12)


def test_ready_maps_are_refused_and_swag_score_takes_the_method() -> None:
    options: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    map_BHW = swag.explain(toy_cnn(), INNER, method="vanilla_gradient", **options)
    with pytest.raises(ValueError, match="explains again, which ready maps cannot"):
        swag.score(toy_cnn(), INNER, map_BHW, metric="max_sensitivity", **options)
    found = swag.score(
        toy_cnn(), INNER, map_BHW, metric="max_sensitivity", explainer="vanilla_gradient", **options
    )
    batch = batch_of(INNER, image_ids=("0", "1", "2"))
    signals = Signals(classifier_of(toy_cnn()), batch).of_explainer(GRADIENT)
    assert torch.equal(found.value_B, Sensitivity()(signals, map_BHW).value_B)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: Sensitivity(radius=0), "radius must be positive"),
        (lambda: Sensitivity(num_samples=0), "num_samples must be at least 1"),
        (lambda: Sensitivity(statistic="median"), "statistic 'median' is unknown"),  # type: ignore[arg-type]
        (lambda: RelativeStability(against="x"), "against 'x' is unknown"),  # type: ignore[arg-type]
        (lambda: Equivariance(transform="turn"), "transform 'turn' is unknown"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range_are_refused(made: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        made()
