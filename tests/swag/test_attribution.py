"""Sums of saliencies beside what the output loses, against captum, loops and linear models."""

from __future__ import annotations

from typing import Any

import captum.metrics
import numpy as np
import pytest
import torch
from torch import Tensor

from swag.curves.fillings import Black
from swag.metrics import Completeness, Infidelity, SensitivityN
from swag.metrics.attribution import sums_and_losses
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels import Squares
from tests.support.toys import MEAN, STD, Linear, batch_of, classifier_of, images, toy

GREY = torch.full((2, 3, 32, 32), 0.5)


def linear_case(count: int = 3) -> tuple[Signals, Tensor]:
    """A linear model, whose logit is the sum of input x gradient, and those values."""
    weight_KCHW = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 3, 32, 32))).float()
    signals = Signals(classifier_of(Linear(weight_KCHW)), batch_of(images(count)))
    parts_BCHW = signals.normalised_BCHW * weight_KCHW[signals.target_B]
    return signals, parts_BCHW.sum(1)


def test_values_that_add_up_have_the_best_scores() -> None:
    signals, map_BHW = linear_case()
    exact = Infidelity(score="logit", scaled=False, num_samples=20)(signals, map_BHW).value_B
    assert float(exact.max()) < 1e-4
    halved = Infidelity(score="logit", num_samples=20)(signals, map_BHW / 2).value_B
    assert float(halved.max()) < 1e-4, "the factor is fitted"
    plain = Infidelity(score="logit", scaled=False, num_samples=20)(signals, map_BHW / 2).value_B
    assert float(plain.min()) > 1
    correlated = SensitivityN(num_subsets=10)(signals, map_BHW)
    assert correlated.value_B.tolist() == pytest.approx([1, 1, 1], abs=1e-4)
    opposite = SensitivityN(num_subsets=10)(signals, -map_BHW)
    assert opposite.value_B.tolist() == pytest.approx([-1, -1, -1], abs=1e-4)
    complete = Completeness()(signals, map_BHW)
    assert complete.value_B.tolist() == [1, 1, 1]
    assert float(torch.as_tensor(complete.columns["gap"]).max()) < 1e-3
    off = Completeness()(signals, map_BHW * 1.2)
    assert off.value_B.tolist() == [0, 0, 0]
    assert torch.as_tensor(off.columns["gap"]).tolist() == pytest.approx([0.2] * 3, abs=1e-3)
    assert Completeness(tolerance=0.3)(signals, map_BHW * 1.2).value_B.tolist() == [1, 1, 1]


@pytest.mark.parametrize("scaled", [False, True])
def test_infidelity_is_captums_for_the_same_squares(scaled: bool) -> None:
    metric = Infidelity(num_samples=8, score="probability", scaled=scaled, fill=Black())
    batch = batch_of(images(2), seed=2)
    signals = Signals(toy(), batch)
    map_BHW = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(1)) / 100
    found_B = metric(signals, map_BHW).value_B
    for n in range(2):
        rng = generator(2, f"image-{n}", "removals")
        removed = torch.from_numpy(np.stack([metric._square(rng, 32, 32) for _ in range(8)]))

        def perturbed(inputs: Tensor, removed: Tensor = removed) -> tuple[Tensor, Tensor]:
            gone = removed[:, None].float().expand(-1, 3, -1, -1)
            # The saliency of a pixel counts once, not once a colour.
            return gone / 3, torch.where(gone > 0, black(inputs), inputs)

        expected = captum.metrics.infidelity(
            signals.classifier.probabilities,
            perturbed,
            signals.normalised_BCHW[n : n + 1],
            map_BHW[n].expand(1, 3, 32, 32),
            target=int(signals.target_B[n]),
            n_perturb_samples=8,
            max_examples_per_batch=None,
            normalize=scaled,
        )
        assert found_B[n].item() == pytest.approx(expected.item(), rel=1e-4)


def black(x_BCHW: Tensor) -> Tensor:
    colour = (0 - torch.tensor(MEAN)) / torch.tensor(STD)
    return colour.view(1, 3, 1, 1).expand_as(x_BCHW)


def test_sensitivity_n_equals_loops_over_its_subsets() -> None:
    metric = SensitivityN(fractions=(0.25, 0.5), num_subsets=6, unit=Squares(side=8))
    signals = Signals(toy(), batch_of(images(2), seed=4))
    map_BHW = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(1))
    score = metric(signals, map_BHW)
    assert score.curve_BT is not None
    for n in range(2):
        for place, size in enumerate((4, 8)):
            rng = generator(4, f"image-{n}", "removals")
            sums, losses = [], []
            for _ in range(6):
                x_CHW = signals.normalised_BCHW[n].clone()
                total = 0.0
                for cell in rng.permutation(16)[:size]:
                    top, left = 8 * (cell // 4), 8 * (cell % 4)
                    total += float(map_BHW[n, top : top + 8, left : left + 8].sum())
                    x_CHW[:, top : top + 8, left : left + 8] = 0  # the mean colour
                logit = signals.classifier.all_logits(x_CHW[None])[0, signals.target_B[n]]
                sums.append(total)
                losses.append(float(signals.logit_BK[n, signals.target_B[n]] - logit))
            expected = np.corrcoef(sums, losses)[0, 1]
            assert score.curve_BT[n, place].item() == pytest.approx(expected, abs=1e-3)


def test_squares_keep_to_their_sides_and_subsets_to_their_number() -> None:
    metric = Infidelity(sides=(0.25, 0.5))
    rng = np.random.default_rng(0)
    areas = [int(metric._square(rng, 40, 32).sum()) for _ in range(200)]
    assert min(areas) == 8**2
    assert max(areas) == 16**2
    labels_HW = np.arange(16).reshape(4, 4)
    draw = SensitivityN()._subset(labels_HW, 0.3)
    assert {int(draw(rng, 4, 4).sum()) for _ in range(20)} == {5}
    tiny = SensitivityN()._subset(np.zeros((2, 2), int), 0.9)
    assert int(tiny(rng, 2, 2).sum()) == 4


def test_removals_belong_to_the_image() -> None:
    signals, map_BHW = linear_case()
    metric = Infidelity()
    reading: Any = (metric.fill, metric.score)
    together, _ = sums_and_losses(signals, map_BHW, metric._square, 5, reading)
    batch = batch_of(images(3)[1:2], image_ids=("image-1",))
    alone, _ = sums_and_losses(
        Signals(signals.classifier, batch), map_BHW[1:2], metric._square, 5, reading
    )
    torch.testing.assert_close(alone[0], together[1])


def test_what_cannot_be_divided_is_null_or_plain() -> None:
    """An image of the mean colour loses nothing; a saliency of zeros predicts nothing."""
    signals = Signals(toy(), batch_of(GREY))
    assert bool(torch.isnan(Completeness()(signals, torch.ones(2, 32, 32)).value_B).all())
    flat = SensitivityN(num_subsets=3)(signals, torch.ones(2, 32, 32)).value_B
    assert bool(torch.isnan(flat).all())
    signals, _ = linear_case()
    nothing = Infidelity(score="logit", num_samples=6)(signals, torch.zeros(3, 32, 32)).value_B
    _, losses = sums_and_losses(
        signals, torch.zeros(3, 32, 32), Infidelity()._square, 6, (Infidelity().fill, "logit")
    )
    torch.testing.assert_close(nothing, (losses**2).mean(1))


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: Infidelity(num_samples=1), "at least 2 removals"),
        (lambda: Infidelity(sides=(0.5, 0.1)), "rising shares"),
        (lambda: Infidelity(score="relative"), "a difference already"),
        (lambda: SensitivityN(fractions=(0.0,)), "between 0 and 1"),
        (lambda: Completeness(tolerance=0), "tolerance must be positive"),
    ],
)
def test_settings_out_of_range_are_refused(made: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        made()
