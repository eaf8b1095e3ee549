"""IDSDS and F-Fidelity: by hand, literally, and what of a saliency counts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import Tensor

from swag.metrics import IDSDS, FFidelity
from swag.metrics.in_distribution import OneCell, RandomPixels, spearman
from swag.protocols import TunedMetric
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels.grid import cells_of
from tests.support.toys import (
    Counted,
    Linear,
    batch_of,
    classifier_of,
    columns_of,
    images,
    toy,
    toy_cnn,
)

SMALL = FFidelity(fractions=(0.25, 0.5), alpha=0.5, beta=0.2, num_samples=6)


def linear(weight_HW: Tensor, **fields: Any) -> Signals:
    """Signals of a white image whose logit for class 0 is the sum of the weights that are left."""
    weight_KCHW = torch.stack([weight_HW, torch.zeros_like(weight_HW)])[:, None] / 3
    model = Linear(weight_KCHW.expand(-1, 3, -1, -1).contiguous())
    batch = batch_of(torch.ones(1, 3, *weight_HW.shape), target_B=torch.tensor([0]), **fields)
    return Signals(classifier_of(model, mean=(0.0,) * 3, std=(1.0,) * 3), batch)


def test_idsds_by_hand() -> None:
    """Cells cost 1, 2, 3 and 4; the saliency puts the last two the other way round."""
    cost_HW = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    signals, metric = linear(cost_HW), IDSDS(cells=2)
    swapped_BHW = torch.tensor([[[1.0, 2.0], [4.0, 3.0]]])
    swapped_BHW = swapped_BHW.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert metric(signals, cost_HW[None]).value_B.tolist() == [1.0]
    assert metric(signals, -cost_HW[None]).value_B.tolist() == [-1.0]
    # 1 - 6 (0 + 0 + 1 + 1) / (4 (16 - 1))
    assert metric(signals, swapped_BHW).value_B.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_idsds_is_its_literal_twin(score: Any) -> None:
    batch = batch_of(images(3, 40))
    signals, metric = Signals(toy(), batch), IDSDS(score=score)
    saliency_BHW = torch.rand(3, 40, 40)
    expected = []
    for index in range(3):
        target = int(signals.target_B[index])
        x_CHW = signals.normalised_BCHW[index]

        def output(x_CHW: Tensor, target: int = target) -> float:
            logit_K = signals.classifier.all_logits(x_CHW[None].clone())[0]
            return float((logit_K if score == "logit" else logit_K.softmax(0))[target])

        sums, drops = [], []
        for row in range(0, 40, 10):
            for column in range(0, 40, 10):
                where = slice(row, row + 10), slice(column, column + 10)
                without_CHW = x_CHW.clone()
                without_CHW[:, *where] = 0
                drops.append(output(x_CHW) - output(without_CHW))
                sums.append(float(saliency_BHW[index][where].double().sum()))
        expected.append(spearmanr(sums, drops).statistic)
    assert metric(signals, saliency_BHW).value_B.tolist() == pytest.approx(expected, abs=1e-9)


def test_a_constant_saliency_has_no_idsds() -> None:
    signals = Signals(toy(), batch_of(images(2, 30)))  # cells of 7 and 8 pixels have other sums
    saliency_BHW = torch.full((2, 30, 30), 0.1)
    saliency_BHW[1, 3, 4] = 1.0
    value_B = IDSDS()(signals, saliency_BHW).value_B
    assert value_B.isnan().tolist() == [True, False]


def test_a_model_that_does_not_mind_has_no_idsds() -> None:
    assert IDSDS()(linear(torch.zeros(8, 8)), torch.rand(1, 8, 8)).value_B.isnan().all()


@given(st.permutations(range(16)))
def test_only_the_order_of_the_sums_counts(order: list[int]) -> None:
    signals = Signals(toy(), batch_of(images(1)))
    cell_HW = cells_of((32, 32), 4)
    level_S = torch.tensor(order).float()
    plain_BHW = level_S[cell_HW][None]
    bent_BHW = (level_S / 4).exp()[cell_HW][None]
    moved_BHW = plain_BHW.clone()
    moved_BHW[0, :2, :2] += torch.tensor([[5.0, -5.0], [-3.0, 3.0]])  # within a cell
    values = [IDSDS()(signals, one).value_B.item() for one in (plain_BHW, bent_BHW, moved_BHW)]
    assert values[0] == values[1] == values[2]
    assert -1 <= values[0] <= 1


def test_the_passes_of_idsds_serve_all_saliencies() -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model), batch_of(images(2)))
    for _ in range(3):
        IDSDS()(signals, torch.rand(2, 32, 32))
    assert sum(model.forwards) == 2 * (1 + 16)


def test_tied_values_share_their_rank() -> None:
    a_BS, b_BS = np.array([[1.0, 1.0, 2.0, 0.0]]), np.array([[3.0, 1.0, 2.0, 2.0]])
    assert spearman(a_BS, b_BS)[0] == pytest.approx(spearmanr(a_BS[0], b_BS[0]).statistic)


def test_f_fidelity_by_hand() -> None:
    """Half of a half goes: 4 of 16 pixels, of cost 1 each in the upper half and 0 below."""
    cost_HW = torch.zeros(4, 4)
    cost_HW[:2] = 1.0
    metric = FFidelity(fractions=(0.5,), alpha=0.5, beta=1.0, num_samples=3, score="logit")
    score = metric(linear(cost_HW), cost_HW[None])
    assert columns_of(score)["fid_plus"].tolist() == pytest.approx([4.0], abs=1e-5)
    assert columns_of(score)["fid_minus"].tolist() == pytest.approx([0.0], abs=1e-5)
    assert score.value_B.tolist() == pytest.approx([4.0], abs=1e-5)
    bounded = replace(metric, beta=0.1)  # 1.6 pixels of 16
    assert bounded(linear(cost_HW), cost_HW[None]).value_B.tolist() == pytest.approx(
        [1.0], abs=1e-5
    )


@pytest.mark.parametrize("score", ["logit", "probability", "correct"])
def test_f_fidelity_is_its_literal_twin(score: Any) -> None:
    metric, batch = replace(SMALL, score=score), batch_of(images(2, 16), seed=5)
    signals = Signals(classifier_of(toy_cnn(), batch_size=7), batch)
    saliency_BHW = torch.rand(2, 16, 16)
    plus: list[float] = []
    minus: list[float] = []
    for index, name in enumerate(batch.image_ids):
        draws = generator(5, name, "f_fidelity").random((6, 256))
        target, x_CHW = int(signals.target_B[index]), signals.normalised_BCHW[index]

        def output(x_CHW: Tensor, target: int = target) -> float:
            logit_K = signals.classifier.all_logits(x_CHW[None].clone())[0]
            if score == "correct":
                return float(logit_K.argmax() == target)
            return float((logit_K if score == "logit" else logit_K.softmax(0))[target])

        for sign, drops in ((-1, plus), (1, minus)):
            order = np.argsort(sign * saliency_BHW[index].flatten().numpy(), kind="stable")
            losses = []
            for share in metric.fractions:
                chosen = order[: int(share * 256)]
                count = min(int(0.5 * len(chosen)), int(0.2 * 256))
                for draw in draws:
                    gone = chosen[np.argsort(draw[chosen])][:count]
                    copy_CP = x_CHW.flatten(1).clone()
                    copy_CP[:, gone] = 0
                    losses.append(output(x_CHW) - output(copy_CP.view_as(x_CHW)))
            drops.append(float(np.mean(losses)))
    found = metric(signals, saliency_BHW)
    assert columns_of(found)["fid_plus"].tolist() == pytest.approx(plus, abs=1e-6)
    assert columns_of(found)["fid_minus"].tolist() == pytest.approx(minus, abs=1e-6)


def test_a_negated_saliency_has_the_negated_f_fidelity() -> None:
    signals = Signals(toy(), batch_of(images(2, 16)))
    saliency_BHW = torch.rand(2, 16, 16)
    found, other = SMALL(signals, saliency_BHW), SMALL(signals, -saliency_BHW)
    torch.testing.assert_close(found.value_B, -other.value_B)


def test_no_image_loses_more_than_the_model_was_tuned_with() -> None:
    signals = Signals(toy(), batch_of(images(1, 16)))
    rank_P = torch.randperm(256)
    shown_TP = SMALL._shown(signals, 0, [rank_P, 255 - rank_P])
    lost_T = (~shown_TP).sum(1)
    assert set(lost_T.tolist()) == {32, 51}  # half of 64 pixels; a fifth of 256
    shown_BHW = SMALL.perturbation((16, 16), 500, np.random.default_rng(0))
    lost_B = (~shown_BHW).flatten(1).sum(1)
    assert (int(lost_B.min()), int(lost_B.max())) == (0, 51)


def test_half_of_the_images_lose_one_cell() -> None:
    shown_BHW = OneCell(cells=4)((32, 24), 400, np.random.default_rng(0))
    lost_B = (~shown_BHW).flatten(1).sum(1)
    assert set(lost_B.tolist()) == {0, 8 * 6}
    assert 160 < int((lost_B == 0).sum()) < 240
    whole = [(~shown_HW)[row : row + 8].sum() for shown_HW in shown_BHW for row in (0, 8, 16, 24)]
    assert {int(count) for count in whole} == {0, 48}


def test_metrics_say_what_their_model_is_tuned_with() -> None:
    assert isinstance(IDSDS(), TunedMetric)
    assert IDSDS(cells=3).perturbation == OneCell(cells=3)
    assert FFidelity(beta=0.3).perturbation == RandomPixels(most=0.3)


def test_cells_are_about_equal() -> None:
    cell_HW = cells_of((30, 41), 4)
    sizes = cell_HW.flatten().bincount().view(4, 4)
    assert len(sizes.flatten()) == 16
    assert all(abs(a - b) <= 1 for a, b in pairwise((sizes[:, 0] // 10).tolist()))


@pytest.mark.parametrize(
    ("metric", "fields", "message"),
    [
        (IDSDS, {"cells": 1}, "cells must be at least 2 rows and columns, got 1"),
        (IDSDS, {"score": "relative"}, "score 'relative' is unknown"),
        (FFidelity, {"fractions": ()}, r"fractions must lie in \(0, 1\]"),
        (FFidelity, {"fractions": (0.0,)}, r"fractions must lie in \(0, 1\]"),
        (FFidelity, {"alpha": 0.0}, r"alpha must lie in \(0, 1\], got 0.0"),
        (FFidelity, {"beta": 1.5}, r"beta must lie in \(0, 1\], got 1.5"),
        (FFidelity, {"num_samples": 0}, "num_samples must be at least 1, got 0"),
        (FFidelity, {"score": "x"}, "score 'x' is unknown"),
    ],
)
def test_bad_settings(metric: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(**fields)


@pytest.mark.parametrize("metric", [IDSDS(cells=2), SMALL])
def test_bad_saliencies(metric: Any) -> None:
    signals = Signals(toy(), batch_of(images(1, 16)))
    with pytest.raises(ValueError, match="does not fit images"):
        metric(signals, torch.rand(1, 8, 8))
    with pytest.raises(ValueError, match="not finite"):
        metric(signals, torch.full((1, 16, 16), torch.nan))


def test_images_smaller_than_the_grid() -> None:
    with pytest.raises(ValueError, match=r"2x9 pixels have no grid of 4x4 cells; ask for fewer"):
        cells_of((2, 9), 4)
