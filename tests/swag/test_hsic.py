"""HSIC attribution by hand, against its definition, and on a model that looks at one place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from swag.explainers import HSIC
from swag.explainers.hiding import dependence
from swag.signals import Signals
from tests.support.perturbed import classifier, pass_sizes, photographs, signals
from tests.support.toys import batch_of, classifier_of, images


class Corner(nn.Module):
    """Its logit is the sum of the pixels of one cell of a 4x4 grid."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        share_B = x_BCHW[:, :, 8:16, 16:24].mean((1, 2, 3))
        return torch.stack([share_B, -share_B], 1)


def literal(shown_NS: np.ndarray, score_N: np.ndarray, width: float) -> list[float]:
    """The trace of centred Gram matrices, with the kernels of the authors' code."""
    count = len(score_N)
    centring = np.eye(count) - np.ones((count, count)) / count
    likeness = np.exp(-((score_N[:, None] - score_N[None]) ** 2) / (2 * width**2))
    found = []
    for shown_N in shown_NS.T.astype(float):
        gram = 1 + (0.5 - (shown_N[:, None] - shown_N[None]) ** 2)
        centred = centring @ gram @ centring
        found.append(float(np.trace(centred @ centring @ likeness @ centring)) / count)
    return found


def test_by_hand() -> None:
    """Of two copies, only the second of which shows the cell: (1 - exp(-1/2)) / 2."""
    shown_NS = np.array([[False, True], [True, True]])
    difference_NN = np.array([[0.0, -1.0], [1.0, 0.0]])
    found = dependence(shown_NS, difference_NN, 1.0)
    np.testing.assert_allclose(found, [(1 - np.exp(-0.5)) / 2, 0], atol=1e-15)


@pytest.mark.parametrize("count", [5, 40])
def test_is_the_trace_of_centred_gram_matrices(count: int) -> None:
    draws = np.random.default_rng(count)
    shown_NS, score_N = draws.random((count, 9)) < 0.5, draws.normal(size=count) * 3
    found = dependence(shown_NS, score_N[:, None] - score_N, 1.7)
    np.testing.assert_allclose(found, literal(shown_NS, score_N, 1.7), atol=1e-12)


@pytest.mark.parametrize("bandwidth", ["scores", "differences"])
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_equals_one_copy_at_a_time(bandwidth: Any, score: Any) -> None:
    model = classifier()
    ours = signals(photographs(24, 32), model)
    explainer = HSIC(num_samples=11, cells=4, bandwidth=bandwidth, score=score)
    found, shown_NS = explainer(ours), explainer._shown(ours.batch.seed)
    for image, target in enumerate(ours.target_B.tolist()):
        values = []
        for shown_S in shown_NS:
            mask_HW = np.kron(shown_S.reshape(4, 4), np.ones((6, 8)))
            copy_1CHW = ours.normalised_BCHW[image : image + 1] * torch.from_numpy(mask_HW).float()
            logit_1K = model.logits(copy_1CHW)
            value_1K = model.scores(logit_1K) if score == "probability" else logit_1K
            values.append(float(value_1K[0, target]))
        score_N = np.array(values)
        width = abs(np.median(score_N))
        if bandwidth == "differences":
            width = np.median([abs(a - b) for i, a in enumerate(values) for b in values[:i]])
        map_11hw = torch.tensor(literal(shown_NS, score_N, width)).view(1, 1, 4, 4)
        (expected,) = nn.functional.interpolate(map_11hw, size=(24, 32), mode="bicubic")[0]
        scale = float(expected.abs().max())
        torch.testing.assert_close(found[image], expected.float(), rtol=0, atol=1e-3 * scale)


def test_the_one_place_that_counts_stands_out() -> None:
    batch = batch_of(images(2), target_B=torch.tensor([0, 1]))
    found = HSIC(num_samples=200, cells=4, bandwidth="differences")(
        Signals(classifier_of(Corner().eval()), batch)
    )
    cells_B44 = found.view(2, 4, 8, 4, 8).mean((2, 4))
    assert (cells_B44.flatten(1).argmax(1) == 1 * 4 + 2).all()
    others_B = cells_B44.flatten(1).sort(1).values[:, -4]
    assert (others_B < 0.2 * cells_B44.flatten(1).amax(1)).all()


def test_each_cell_is_shown_in_half_of_the_copies() -> None:
    shown_NS = HSIC(num_samples=500)._shown(0)
    assert shown_NS.shape == (500, 64)
    assert (shown_NS.sum(0) == 250).all()
    assert len(np.unique(shown_NS, axis=0)) == 500
    assert not np.array_equal(shown_NS, HSIC(num_samples=500)._shown(1))


def test_a_score_that_never_changes_depends_on_nothing() -> None:
    model = classifier_of(Corner().eval())
    ours = Signals(model, batch_of(torch.full((1, 3, 32, 32), 0.5)))
    assert HSIC(num_samples=20, cells=4)(ours).abs().max() < 1e-12


def test_copies_of_all_images_fill_the_passes() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    HSIC(num_samples=25)(ours)
    assert pass_sizes(model) == [16, 16, 16, 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_samples": 1}, "num_samples must be at least 2, got 1"),
        ({"cells": 0}, "cells must be at least 1, got 0"),
        ({"score": "loss"}, "score 'loss' is unknown"),
        ({"bandwidth": "mean"}, "bandwidth 'mean' is unknown; choose one of scores, differences"),
    ],
)
def test_settings_out_of_range_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(HSIC(), **fields)


def test_images_smaller_than_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="have no grid of 32x32 cells"):
        HSIC(cells=32)(signals(photographs(24, 24)))
