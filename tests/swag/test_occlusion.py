"""Occlusion against captum and by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from captum.attr import Occlusion as Peer
from torch import Tensor

from swag.curves.fillings import Black, Blur, NoisyLinear, blank_images
from swag.explainers import Occlusion
from swag.types import TargetScore
from tests.support.perturbed import classifier, pass_sizes, photographs, signals
from tests.support.toys import Fraction, batch_of, classifier_of


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("fill", [Black(), Blur()], ids=repr)
@pytest.mark.parametrize(("windows", "overlap"), [(8, 2), (9, 1), (7, 3)])
def test_equals_captums(windows: int, overlap: int, fill: Any, score: TargetScore) -> None:
    model = classifier()
    ours = signals(photographs(36, 54), model)

    def forward(x_NCHW: Tensor) -> Tensor:
        logit_NK = model.logits(x_NCHW)
        return model.scores(logit_NK) if score == "probability" else logit_NK

    theirs = Peer(forward).attribute(
        ours.normalised_BCHW,
        sliding_window_shapes=(3, 4 * overlap, 6 * overlap),
        strides=(3, 4, 6),
        baselines=blank_images(ours, fill),
        target=ours.target_B,
    )
    found = Occlusion(windows=windows, overlap=overlap, fill=fill, score=score)(ours)
    scale = float(theirs.abs().max())
    torch.testing.assert_close(found, theirs[:, 0].float(), rtol=0, atol=1e-5 * scale)


def test_by_hand() -> None:
    """A probability that is the sum of all values loses what a window hides."""
    image_BCHW = torch.zeros(1, 1, 3, 3)
    image_BCHW[0, 0] = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]) / 2
    model = classifier_of(Fraction(), mean=(0,), std=(1,))
    batch = batch_of(image_BCHW, target_B=torch.tensor([0]))
    found = Occlusion(windows=2, overlap=2)(type(signals(photographs(8, 8)))(model, batch))
    # Windows of 2x2 lose 3/4, 1/4, 1/4 and 1/4; the pixel in the middle is in all four.
    expected = [[0.75, 0.5, 0.25], [0.5, 0.375, 0.25], [0.25, 0.25, 0.25]]
    torch.testing.assert_close(found[0], torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_windows_reach_every_edge_of_any_image() -> None:
    for side in (9, 10, 31, 224, 225):
        hidden_NW = Occlusion()._hidden(side)
        assert hidden_NW.any(0).all()
        assert hidden_NW.any(1).all()
        assert (hidden_NW.sum(0)[[0, -1]] == 1).all()
    assert (Occlusion()._hidden(225).sum(1) == 50).all()


def test_an_imputed_window_is_imputed_for_each_copy() -> None:
    """Its filling depends on the window, so that a blank image could not stand for it."""
    ours = signals(photographs(36, 36, ("coffee",)))
    found = Occlusion(windows=3, fill=NoisyLinear())(ours)
    assert found.isfinite().all()
    assert not torch.allclose(found, Occlusion(windows=3)(ours))


def test_copies_of_all_images_fill_the_passes() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    Occlusion(windows=3)(ours)
    assert pass_sizes(model) == [16, 2]


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="windows must be at least 1, got 0"):
        Occlusion(windows=0)
    with pytest.raises(ValueError, match="overlap must be at least 1, got 0"):
        Occlusion(overlap=0)
    with pytest.raises(ValueError, match="score 'loss' is unknown"):
        Occlusion(score="loss")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="need 65 pixels a side, got 24; ask for fewer windows"):
        Occlusion(windows=64)(signals(photographs(24, 24)))
