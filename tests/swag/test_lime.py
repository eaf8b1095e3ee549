"""LIME against the authors' own package, fed with the same segments and samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lime.lime_base import LimeBase
from lime.lime_image import LimeImageExplainer
from sklearn.metrics import pairwise_distances

from swag.explainers.lime import LIME, kernel, ridge
from swag.rng import generator
from swag.superpixels import SLIC, Quickshift
from swag.types import Fill
from tests.support.perturbed import (
    classifier,
    numpy_probability,
    pass_sizes,
    photographs,
    signals,
)

TILES = SLIC(num_segments=9)


class Replay:
    """Stands in for lime's random state and deals samples drawn before."""

    def __init__(self, shown_TS: np.ndarray) -> None:
        self._shown = shown_TS.astype(int)

    def randint(self, low: int, high: int, size: int) -> np.ndarray:
        assert (low, high, size) == (0, 2, self._shown.size)
        return self._shown.ravel().copy()


def samples(num_samples: int, num_segments: int, seed: int = 0) -> np.ndarray:
    shown_TS = np.random.default_rng(seed).integers(0, 2, (num_samples, num_segments)) == 1
    shown_TS[0] = True
    return shown_TS


@pytest.mark.parametrize("num_segments", [1, 4, 30, 300])
def test_the_fit_is_that_of_lime(num_segments: int) -> None:
    shown_TS = samples(200, num_segments)
    probability_TK = np.random.default_rng(1).random((200, 3))
    data = shown_TS.astype(int)
    distance_T = pairwise_distances(data, data[:1], metric="cosine").ravel()
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)))
    _, explanation, *_ = base.explain_instance_with_data(data, probability_TK, distance_T, 2, 10**5)
    theirs = [weight for _, weight in sorted(explanation)]
    ours = ridge(shown_TS, probability_TK[:, 2], kernel(shown_TS, 0.25), 1.0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("fill", ["mean", "black"])
@pytest.mark.parametrize("superpixels", [TILES, Quickshift(kernel_size=3, max_dist=20)])
def test_saliency_is_that_of_lime(fill: Fill, superpixels: SLIC | Quickshift) -> None:
    model = classifier()
    batch_signals = signals(photographs(48, 40), model, seed=3)
    explainer = LIME(superpixels=superpixels, num_samples=60, fill=fill)
    saliency_BHW = explainer(batch_signals)
    labels_BHW = batch_signals.segments(superpixels).numpy()
    for index, image_CHW in enumerate(batch_signals.batch.image_BCHW):
        labels_HW = labels_BHW[index]
        draws = generator(3, f"image{index}", "lime")
        shown_TS = draws.integers(0, 2, (60, labels_HW.max() + 1))
        original = LimeImageExplainer()
        original.random_state = Replay(shown_TS)
        target = int(batch_signals.target_B[index])
        explanation = original.explain_instance(
            image_CHW.permute(1, 2, 0).double().numpy(),
            lambda images: numpy_probability(model, images),
            labels=(target,),
            top_labels=None,
            hide_color=None if fill == "mean" else 0,
            num_samples=60,
            segmentation_fn=lambda _, labels_HW=labels_HW: labels_HW,
            random_seed=0,
        )
        weights = np.array([weight for _, weight in sorted(explanation.local_exp[target])])
        assert np.abs(weights).max() > 1e-3
        np.testing.assert_allclose(saliency_BHW[index], weights[labels_HW], rtol=0, atol=1e-7)


def test_samples_show_each_superpixel_half_of_the_time_and_the_first_shows_all() -> None:
    batch_signals = signals(photographs(48, 40))
    labels_BHW = batch_signals.segments(TILES)
    first, second = LIME(superpixels=TILES)._samples(batch_signals, labels_BHW)
    assert first[0].all()
    assert abs(first.mean() - 0.5) < 0.02
    assert first.shape[1] == labels_BHW[0].max() + 1
    assert not np.array_equal(first[:, :4], second[:, :4])


def test_an_image_is_explained_alike_alone_and_in_company() -> None:
    images = photographs(48, 40, ("astronaut", "coffee", "chelsea"))
    explainer = LIME(superpixels=TILES, num_samples=50)
    together = explainer(signals(images, classifier(7)))
    for index in range(3):
        alone = signals(images[index : index + 1], classifier(3))
        object.__setattr__(alone.batch, "image_ids", (f"image{index}",))
        torch.testing.assert_close(explainer(alone)[0], together[index])


def test_copies_of_all_images_fill_the_passes() -> None:
    model = classifier(batch_size=16)
    batch_signals = signals(photographs(96, 96), model)
    assert batch_signals.target_B.shape == (2,)
    pass_sizes(model).clear()
    LIME(superpixels=SLIC(num_segments=100), num_samples=101)(batch_signals)
    assert pass_sizes(model) == [16] * 12 + [8]


def test_equal_samples_share_a_pass() -> None:
    model = classifier(batch_size=1)
    halves = torch.zeros(1, 3, 16, 16)
    halves[..., 8:] = 1
    batch_signals = signals(halves, model)
    assert batch_signals.target_B.shape == (1,)
    pass_sizes(model).clear()
    LIME(superpixels=SLIC(num_segments=2), num_samples=200)(batch_signals)
    num_segments = int(batch_signals.segments(SLIC(num_segments=2)).max()) + 1
    assert len(pass_sizes(model)) == 2**num_segments - 1


def test_a_constant_image_has_no_important_part() -> None:
    saliency = LIME(num_samples=20)(signals(torch.full((1, 3, 32, 32), 0.3)))
    assert saliency.abs().max() < 1e-7


def test_inputs_and_random_state_are_left_alone() -> None:
    images = photographs(48, 40)
    before, state = images.clone(), torch.get_rng_state()
    saliency = LIME(superpixels=TILES, num_samples=20)(signals(images))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert saliency.dtype == torch.float32


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_samples": 0}, "num_samples must be at least 1, got 0"),
        ({"kernel_width": 0.0}, "kernel_width must be positive, got 0.0"),
        ({"alpha": -1.0}, "alpha must be positive, got -1.0"),
        ({"fill": "grey"}, "fill 'grey' is unknown"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LIME(**fields)
