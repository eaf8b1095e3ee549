"""Kernel SHAP against shap and captum, given the same superpixels and draws."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import ShapleyValues

from swag.explainers import KernelSHAP
from swag.explainers.kernel_shap import Coalitions, coalitions, shapley_values
from swag.explainers.lime import hidden_images
from swag.superpixels import SLIC, Squares
from tests.support.perturbed import classifier, pass_sizes, photographs, signals

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its colour maps are of an older matplotlib
    import shap


def game(num: int) -> Any:
    """A value of coalitions in which pairs count beside their members."""
    draws = np.random.default_rng(num)
    alone_S, together_SS = draws.normal(size=num), draws.normal(size=(num, num))

    def value(shown_TS: np.ndarray) -> np.ndarray:
        shown_TS = np.asarray(shown_TS, dtype=float)
        sums_T = shown_TS @ alone_S + np.einsum("ts,su,tu->t", shown_TS, together_SS, shown_TS)
        found: np.ndarray = np.tanh(sums_T / num)
        return found

    return value


class Dealt:
    """NumPy's global draws, as `shap` asks for them, from a generator of ours."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def choice(self, count: int, size: int, p: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.rng.choice(count, size, p=p)
        return found

    def permutation(self, count: int) -> np.ndarray:
        return self.rng.permutation(count)


@pytest.mark.parametrize(
    ("num", "budget"),
    [(2, 10), (3, 100), (5, 30), (8, 254), (8, 60), (12, 300), (13, 301), (30, 150), (50, 998)],
)
def test_coalitions_and_values_are_those_of_shap(
    monkeypatch: pytest.MonkeyPatch, num: int, budget: int
) -> None:
    value = game(num)
    drawn = coalitions(num, budget, np.random.default_rng(4))
    ends_2 = value(np.stack([np.ones(num), np.zeros(num)]))
    found = shapley_values(drawn, value(drawn.shown_TS), whole=ends_2[0], nothing=ends_2[1])
    dealt = Dealt(4)
    monkeypatch.setattr(np.random, "choice", dealt.choice)
    monkeypatch.setattr(np.random, "permutation", dealt.permutation)
    explainer = shap.KernelExplainer(value, np.zeros((1, num)))
    theirs = explainer.shap_values(np.ones((1, num)), nsamples=budget, l1_reg=0, silent=True)
    monkeypatch.undo()
    assert len(drawn.shown_TS) == explainer.nsamplesAdded
    np.testing.assert_allclose(drawn.weight_T, explainer.kernelWeights[: len(drawn.weight_T)])
    np.testing.assert_allclose(found, theirs[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("num", [1, 2, 3, 6])
def test_all_coalitions_give_the_definition_of_shapley_values(num: int) -> None:
    value = game(num)
    drawn = coalitions(num, 1000, np.random.default_rng(0))
    assert len(drawn.shown_TS) == 2**num - 2
    ends_2 = value(np.stack([np.ones(num), np.zeros(num)]))
    found = shapley_values(drawn, value(drawn.shown_TS), whole=ends_2[0], nothing=ends_2[1])
    expected = np.zeros(num)
    for code in range(2**num):
        shown_S = np.array([code >> place & 1 for place in range(num)])
        size = shown_S.sum()
        for place in np.flatnonzero(shown_S == 0):
            with_S = shown_S.copy()
            with_S[place] = 1
            times = math.factorial(size) * math.factorial(num - size - 1) / math.factorial(num)
            expected[place] += times * (value(with_S[None])[0] - value(shown_S[None])[0])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("num", "budget"), [(9, 7), (40, 10), (40, 500), (300, 400)])
def test_coalitions_are_different_and_neither_all_nor_nothing(num: int, budget: int) -> None:
    drawn = coalitions(num, budget, np.random.default_rng(1))
    assert len(np.unique(drawn.shown_TS, axis=0)) == len(drawn.shown_TS) == budget
    assert drawn.shown_TS.any(1).all()
    assert not drawn.shown_TS.all(1).any()
    assert drawn.weight_T.sum() == pytest.approx(1)


def test_too_few_coalitions_leave_values_equal_that_nothing_tells_apart() -> None:
    shown_TS = np.array([[True, False, False, False]])
    found = shapley_values(
        Coalitions(shown_TS, np.ones(1)), np.array([0.7]), whole=1.0, nothing=0.1
    )
    np.testing.assert_allclose(found, [0.6, 0.1, 0.1, 0.1])


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_an_image_of_four_superpixels_is_captums(fill: Any) -> None:
    model = classifier(32)
    ours = signals(photographs(32, 32), model)
    labels_BHW = Squares(side=16)(ours)
    method = ShapleyValues(lambda x_NCHW: model.scores(model.logits(x_NCHW)))
    theirs = method.attribute(
        ours.normalised_BCHW,
        baselines=hidden_images(ours, labels_BHW, fill),
        target=ours.target_B,
        feature_mask=labels_BHW[:, None],
        perturbations_per_eval=4,
    )
    found = KernelSHAP(superpixels=Squares(side=16), fill=fill)(ours)
    scale = float(theirs.abs().max())
    torch.testing.assert_close(found, theirs[:, 0].float(), rtol=0, atol=1e-5 * scale)


def test_values_add_up_to_what_all_superpixels_are_worth() -> None:
    model = classifier(32)
    ours = signals(photographs(48, 40), model)
    explainer = KernelSHAP(superpixels=SLIC(num_segments=20), num_samples=60)
    saliency_BHW, labels_BHW = explainer(ours), ours.segments(explainer.superpixels)
    nothing_BK = model.probabilities(hidden_images(ours, labels_BHW, "mean"))
    for index, target in enumerate(ours.target_B.tolist()):
        labels_HW = labels_BHW[index]
        total = sum(
            float(saliency_BHW[index][labels_HW == label][0]) for label in labels_HW.unique()
        )
        worth = float(ours.probability_BK[index, target] - nothing_BK[index, target])
        assert total == pytest.approx(worth, abs=1e-5)


def test_copies_of_all_images_fill_the_passes() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    KernelSHAP(superpixels=Squares(side=8), num_samples=26)(ours)
    assert pass_sizes(model) == [16, 16, 16, 2]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="num_samples must be at least 3, got 2"):
        KernelSHAP(num_samples=2)
    with pytest.raises(ValueError, match="fill 'white' is unknown"):
        KernelSHAP(fill="white")  # type: ignore[arg-type]
