"""Randomised models, and what metrics make of explanations of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

import swag
from swag.explainers import Centre, GradCAM, VanillaGradient
from swag.metrics import EfficientRandomisation, ParameterRandomisation, RandomLogit
from swag.metrics.randomisation import histogram_entropy, randomised, resettable
from swag.rng import generator
from swag.signals import Signals
from swag.similarity import similarity
from tests.support.toys import batch_of, classifier_of, images, toy, toy_cnn, toy_vit, untouched

GRADIENT = VanillaGradient()


def judged(explainer: Any, model: nn.Module | None = None) -> tuple[Signals, torch.Tensor]:
    batch = batch_of(images(3), seed=5)
    signals = Signals(classifier_of(model or toy_cnn()), batch, explainer.needs)
    signals = signals.of_explainer(explainer)
    return signals, explainer(signals)


def changed_layers(model: nn.Module, other: nn.Module) -> list[int]:
    """Which of a model's layers with parameters have other ones."""
    pairs = zip(model.modules(), other.modules(), strict=True)
    own = [(a, b) for a, b in pairs if list(a.parameters(recurse=False))]
    return [
        n
        for n, (a, b) in enumerate(own)
        if any(not torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    ]


def test_layers_are_drawn_anew_from_the_last_and_nothing_else_changes() -> None:
    classifier = toy()
    with untouched(classifier.model):
        third = randomised(classifier, 0, (0, 1 / 3))
        two = randomised(classifier, 0, (0, 2 / 3))
        middle = randomised(classifier, 0, (1 / 3, 2 / 3))
        other = randomised(classifier, 1, (0, 1 / 3))
    assert changed_layers(classifier.model, third.model) == [2]
    assert changed_layers(classifier.model, two.model) == [1, 2]
    assert changed_layers(classifier.model, middle.model) == [1]
    assert changed_layers(third.model, two.model) == [1], "a layer has the same draw in every group"
    assert changed_layers(third.model, other.model) == [2]
    assert not any(p.requires_grad for p in third.model.parameters())
    assert (third.batch_size, third.output) == (classifier.batch_size, classifier.output)


def test_normalisation_and_attention_are_drawn_anew_too() -> None:
    attention = nn.MultiheadAttention(8, 2)
    norm = nn.BatchNorm2d(4)
    nn.init.constant_(norm.weight, 3.0)
    model = nn.ModuleList([attention, norm, nn.ReLU(), nn.Linear(2, 2)])
    assert len(resettable(model)) == 4  # the joint projection, the output's, norm and linear
    for reset in resettable(model):
        reset()
    assert norm.weight.tolist() == [1.0] * 4


@pytest.mark.parametrize("order", ["cascading", "independent"])
def test_the_curve_is_the_similarity_after_each_group(order: Any) -> None:
    metric = ParameterRandomisation(order=order, num_steps=3)
    signals, map_BHW = judged(GRADIENT)
    score = metric(signals, map_BHW)
    assert score.curve_BT is not None
    for step in range(3):
        model = randomised(toy(), 5, (0 if order == "cascading" else step / 3, (step + 1) / 3))
        after_BHW = swag.explain(model, images(3), method=GRADIENT, target=signals.target_B)
        for n in range(3):
            rank = spearmanr(after_BHW[n].flatten(), map_BHW[n].flatten()).statistic
            assert score.curve_BT[n, step].item() == pytest.approx(rank, abs=1e-3)
    torch.testing.assert_close(score.value_B, score.curve_BT.double().mean(1), atol=1e-6, rtol=0)


def test_what_knows_no_model_stays_and_what_knows_one_changes() -> None:
    metric = ParameterRandomisation()
    assert metric(*judged(Centre())).value_B.tolist() == pytest.approx([1, 1, 1])
    assert float(metric(*judged(GradCAM())).value_B.max()) < 0.9


def test_a_constant_saliency_of_a_random_model_has_nothing_in_common() -> None:
    class Nothing:
        needs = frozenset[str]()

        def __call__(self, signals: Signals) -> torch.Tensor:
            return torch.zeros(3, 32, 32)

    signals, _ = judged(Centre())
    ramp = torch.arange(1024.0).view(1, 32, 32).expand(3, -1, -1)
    metric = ParameterRandomisation()
    assert metric(signals.of_explainer(Nothing()), ramp).value_B.tolist() == [0, 0, 0]
    assert bool(torch.isnan(metric(signals, torch.ones(3, 32, 32)).value_B).all())


def test_signs_count_unless_magnitudes_are_compared() -> None:
    signals, map_BHW = judged(Centre())
    plain = ParameterRandomisation(similarity="pearson")(signals, -map_BHW).value_B
    assert plain.tolist() == pytest.approx([-1, -1, -1])
    magnitudes = ParameterRandomisation(similarity="pearson", absolute=True)
    assert magnitudes(signals, -map_BHW).value_B.tolist() == pytest.approx([1, 1, 1])


def test_a_batch_has_one_random_model_for_all_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    original = randomised

    def counting(*arguments: Any) -> Any:
        made.append(arguments)
        return original(*arguments)

    monkeypatch.setattr("swag.metrics.randomisation.randomised", counting)
    signals, map_BHW = judged(GRADIENT)
    ParameterRandomisation(num_steps=2)(signals, map_BHW)
    ParameterRandomisation(num_steps=2)(signals.of_explainer(Centre()), map_BHW)
    EfficientRandomisation()(signals, map_BHW)
    assert len(made) == 2, "cascading to the end is the whole model"


def test_efficient_randomisation_compares_entropies() -> None:
    signals, map_BHW = judged(GRADIENT)
    found_B = EfficientRandomisation(bins=20)(signals, map_BHW).value_B
    random = randomised(toy(), 5, (0.0, 1.0))
    after_BHW = swag.explain(random, images(3), method=GRADIENT, target=signals.target_B)
    for n in range(3):
        before, after = (
            -sum(
                share * np.log(share)
                for share in np.histogram(map_HW.double(), 20)[0] / map_HW.numel()
                if share
            )
            for map_HW in (map_BHW[n], after_BHW[n])
        )
        assert found_B[n].item() == pytest.approx((after - before) / before, abs=2e-3)


def test_entropy_by_hand() -> None:
    flat, halves = torch.ones(1, 2, 2), torch.tensor([[[0.0, 0.0], [1.0, 1.0]]])
    assert histogram_entropy(torch.cat([flat, halves]), 10).tolist() == pytest.approx(
        [0, np.log(2)]
    )
    assert bool(torch.isnan(histogram_entropy(flat * torch.nan, 10)).all())


def test_random_logit_explains_another_class_of_each_image() -> None:
    signals, map_BHW = judged(GRADIENT)
    found_B = RandomLogit(similarity="pearson")(signals, map_BHW).value_B
    steps = [int(generator(5, f"image-{n}", "random logit").integers(1, 5)) for n in range(3)]
    other_B = (signals.target_B + torch.tensor(steps)) % 5
    assert not bool((other_B == signals.target_B).any())
    other = swag.explain(signals.classifier, images(3), method=GRADIENT, target=other_B)
    expected_B = similarity(other, map_BHW, "pearson")
    torch.testing.assert_close(found_B, expected_B, atol=1e-6, rtol=0)
    same = RandomLogit()(*judged(Centre())).value_B
    assert same.tolist() == pytest.approx([1, 1, 1])


def test_transformers_are_randomised_too() -> None:
    metric = ParameterRandomisation(num_steps=2)
    score = metric(*judged(swag.EXPLAINERS["generic_attention"], toy_vit()))
    assert bool(torch.isfinite(score.value_B).all())


class Bare(nn.Module):
    """Has weights and no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(2, 3, 32, 32), requires_grad=False)

    def forward(self, x_BCHW: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bchw,kchw->bk", x_BCHW, self.weight)


def test_errors() -> None:
    with pytest.raises(ValueError, match="no layer with reset_parameters"):
        ParameterRandomisation()(*judged(GRADIENT, Bare().eval()))
    with pytest.raises(ValueError, match="num_steps must be at least 1"):
        ParameterRandomisation(num_steps=0)
    with pytest.raises(ValueError, match="bins must be at least 2"):
        EfficientRandomisation(bins=1)
    with pytest.raises(ValueError, match="similarity 'cosine' is unknown"):
        RandomLogit(similarity="cosine")  # type: ignore[arg-type]
