"""SWAG against a loop over pixels, for each source of weights, statistic and superpixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from swag.explainers.gradient import GuidedBackprop, VanillaGradient
from swag.explainers.swag import SWAG
from swag.importance import Source, pixel_importance
from swag.signals import Signals
from swag.superpixels import SLIC
from swag.superpixels.pooling import Statistic
from swag.superpixels.segmenters import Features
from tests.support import reference
from tests.support.toys import batch_of, classifier_of, images, toy, toy_cnn

SOURCES = (
    "guided_gradient", "gradient", "integrated_gradient", "smooth_gradient", "noise", "sobel"
)  # fmt: skip
FEATURES = ("image", "image_gradient", "gradient")


@dataclass(frozen=True)
class Quarters:
    """Superpixels by hand: the four quarters of a 4x4 image."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Tensor:
        rows = torch.tensor([0, 0, 1, 1])
        return (2 * rows[:, None] + rows).expand(len(signals.batch), 4, 4)


@pytest.mark.parametrize("statistic", ["mean", "max", "median", "sum"])
@pytest.mark.parametrize("source", SOURCES)
def test_equals_a_loop_over_pixels(source: Source, statistic: Statistic) -> None:
    superpixels = SLIC(num_segments=20)
    explainer = SWAG(superpixels=superpixels, weights=source, statistic=statistic)
    signals = Signals(toy(), batch_of(images(2, 24)), explainer.needs)
    found, labels_BHW = explainer(signals), signals.segments(superpixels)
    importance_BHW = pixel_importance(signals, source)
    for image in range(2):
        expected = reference.swag(
            importance_BHW[image].numpy(), labels_BHW[image].numpy(), statistic
        )
        assert len(np.unique(expected)) > 5
        np.testing.assert_allclose(found[image], expected, rtol=1e-6)


def test_by_hand() -> None:
    signals = Signals(toy(), batch_of(images(1, 4)))
    values = torch.tensor([[1.0, 2, 0, 0], [3, 6, 0, 4], [5, 5, 9, 1], [5, 5, 0, 2]])
    signals.once(("pixel_importance", "sobel"), lambda: values[None])
    superpixels: Any = Quarters()  # none of the two that a configuration may name
    statistics: tuple[Statistic, ...] = ("mean", "max", "median", "sum")
    found = {
        statistic: SWAG(superpixels=superpixels, weights="sobel", statistic=statistic)(signals)
        for statistic in statistics
    }
    corners = {name: value[0][[0, 0, 3, 3], [0, 3, 0, 3]].tolist() for name, value in found.items()}
    assert corners == {
        "mean": [3.0, 1.0, 5.0, 3.0],
        "max": [6.0, 4.0, 5.0, 9.0],
        "median": [2.5, 0.0, 5.0, 1.5],
        "sum": [12.0, 4.0, 20.0, 12.0],
    }


def test_one_superpixel_is_flat_and_one_per_pixel_is_the_importance_itself() -> None:
    @dataclass(frozen=True)
    class Given:
        needs: ClassVar[frozenset[str]] = frozenset()
        single: bool

        def __call__(self, signals: Signals) -> Tensor:
            pixels = torch.arange(16 * 16).view(1, 16, 16)
            return torch.zeros_like(pixels) if self.single else pixels

    signals = Signals(toy(), batch_of(images(1, 16)))
    importance_BHW = pixel_importance(signals, "guided_gradient")
    single, each = (SWAG(superpixels=cast(Any, Given(single=single))) for single in (True, False))
    assert torch.equal(each(signals), importance_BHW)
    flat = single(signals)
    torch.testing.assert_close(flat, importance_BHW.mean().expand(1, 16, 16))


@pytest.mark.parametrize("weights", SOURCES)
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("gradient", SOURCES)
def test_announces_every_signal_that_it_reads(
    monkeypatch: pytest.MonkeyPatch, features: Features, gradient: Source, weights: Source
) -> None:
    superpixels = SLIC(num_segments=9, features=features, gradient=gradient)
    explainer = SWAG(superpixels=superpixels, weights=weights)
    signals = Signals(toy(), batch_of(images(1, 16)))
    read = set[str]()

    def noted(name: str) -> Tensor:
        read.add(name)
        return torch.rand(1, 3, 16, 16)

    monkeypatch.setattr(signals, "_gradient", noted)
    explainer(signals)
    assert read == explainer.needs


def test_pixel_methods_are_the_largest_magnitude_over_channels() -> None:
    signals = Signals(toy(), batch_of(images(2)), {"gradient", "guided_gradient"})
    for explainer, gradient_BCHW in (
        (GuidedBackprop(), signals.guided_gradient_BCHW),
        (VanillaGradient(), signals.gradient_BCHW),
    ):
        expected = np.abs(gradient_BCHW.numpy()).max(axis=1)
        assert (explainer(signals).numpy() == expected).all()


def test_explainers_of_one_batch_share_importance_and_superpixels() -> None:
    signals = Signals(classifier_of(toy_cnn()), batch_of(images(2)))
    first = pixel_importance(signals, "guided_gradient")
    assert GuidedBackprop()(signals) is first
    labels = signals.segments(SLIC(num_segments=20))
    SWAG(superpixels=SLIC(num_segments=20))(signals)
    assert signals.segments(SLIC(num_segments=20)) is labels
