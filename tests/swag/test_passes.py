"""What the catalogue declares beside its results: model passes, signals and superpixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from swag.catalog import EXPLAINERS, METRICS
from swag.explainers import (
    LIME,
    SWAG,
    KernelSHAP,
    LeGrad,
    Pooled,
    ScoreCAM,
    SmoothGrad,
    VanillaGradient,
)
from swag.metrics import (
    Completeness,
    EfficientRandomisation,
    Infidelity,
    ParameterRandomisation,
    SensitivityN,
)
from swag.protocols import (
    Passes,
    forwards_once,
    judging_passes,
    needs_of,
    passes_of,
    passes_once,
    segmenter_of,
    shared_passes,
    summed,
)
from swag.signals import Signals
from swag.superpixels import SLIC
from tests.support.toys import Counted, annotated, classifier_of, images, reduced, toy_cnn, toy_for

NUM_IMAGES = 3


class Watched(Signals):
    """Signals that note whose superpixels are asked for, of a model that notes its passes."""

    def __init__(self, needs: frozenset[str], model: nn.Module | None = None) -> None:
        self.model = Counted(toy_cnn() if model is None else model)
        # A named layer need not be found, and large batches hold what belongs together.
        classifier = classifier_of(self.model, cam_layer="model.4", batch_size=64)
        super().__init__(classifier, annotated(images(NUM_IMAGES)), needs)
        self.asked = set[Any]()

    def segments(self, segmenter: Any) -> torch.Tensor:
        self.asked.add(segmenter)
        return super().segments(segmenter)

    @property
    def run(self) -> Passes:
        """Images of all passes; the classification, which all methods share, is among them."""
        self.target_B  # noqa: B018 - a property that runs the passes
        return Passes(sum(self.model.forwards), sum(self.model.backwards))


def declared(item: object) -> Passes:
    shared, own = shared_passes(needs_of(item)), judging_passes(item, VanillaGradient())
    once = Passes(forwards_once(item), 0)
    sums = (NUM_IMAGES * sum(parts) for parts in zip(shared, own, once, strict=True))
    return Passes(*sums)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_an_explainer_runs_the_passes_that_it_declares(name: str) -> None:
    explainer = reduced(EXPLAINERS[name])
    if isinstance(explainer, LIME):
        # Equal samples share a pass; of many superpixels none are equal.
        finer = {"max_dist": 2.0} if name == "lime" else {"num_segments": 64}
        superpixels: Any = explainer.superpixels
        explainer = replace(explainer, superpixels=replace(superpixels, **finer))
    if isinstance(explainer, ScoreCAM):
        explainer = replace(explainer, num_channels=8)  # as many as the layer has
    signals = Watched(explainer.needs, toy_for(explainer))
    explainer(signals)
    if isinstance(explainer, LeGrad):  # its passes through single layers never touch the logits
        assert (signals.run.forwards, signals.run.backwards) == (declared(explainer).forwards, 0)
    else:
        assert signals.run == declared(explainer)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_an_explainer_reads_the_superpixels_that_it_declares(name: str) -> None:
    explainer = reduced(EXPLAINERS[name])
    segmenter, signals = segmenter_of(explainer), Watched(explainer.needs, toy_for(explainer))
    explainer(signals)
    assert signals.asked == ({segmenter} - {None})
    assert segmenter is None or segmenter.needs <= explainer.needs


@pytest.mark.parametrize("name", EXPLAINERS)
def test_an_explainer_keeps_the_passes_that_it_runs_for_all(name: str) -> None:
    explainer = reduced(EXPLAINERS[name])
    kept, own = passes_once(explainer), passes_of(explainer)
    signals = Watched(explainer.needs, toy_for(explainer))
    explainer(signals)
    assert kept.keys() <= signals._memory.keys()
    assert all(few <= many for few, many in zip(summed(kept.values()), own, strict=True))
    before = signals.run
    explainer(signals)
    again = [after - first for after, first in zip(signals.run, before, strict=True)]
    spared = summed(kept.values())
    most = [NUM_IMAGES * (all_ - few) for all_, few in zip(own, spared, strict=True)]
    assert all(run <= limit for run, limit in zip(again, most, strict=True))


def test_superpixels_that_follow_passes_count_them() -> None:
    smooth = SLIC(features="gradient", gradient="smooth_gradient", num_segments=6)
    key, passes = ("noisy_gradients", 25, 0.15), Passes(25, 25)
    assert passes_once(smooth) == passes_once(SmoothGrad()) == {key: passes}
    assert passes_once(SWAG(weights="smooth_gradient", superpixels=smooth)) == {key: passes}
    for explainer in (LIME(superpixels=smooth, num_samples=4), KernelSHAP(superpixels=smooth)):
        assert passes_once(explainer) == {key: passes}
        assert passes_of(explainer) == (explainer.num_samples - 1 + 25, 25)
    pooled = Pooled(pixels=SmoothGrad(), superpixels=smooth)
    assert passes_of(pooled) == passes


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_runs_the_passes_that_it_declares(name: str) -> None:
    metric, signals = reduced(METRICS[name]), Watched(frozenset())
    saliency_BHW = torch.rand(NUM_IMAGES, 32, 32, generator=torch.Generator().manual_seed(0))
    judged = VanillaGradient()
    metric(signals.of_explainer(judged), saliency_BHW)
    found, expected = signals.run, declared(metric)
    if isinstance(metric, ParameterRandomisation | EfficientRandomisation):
        assert found == declared(object())  # all others are of copies of the model
        return
    # A curve's blank image is computed once for each model, where it is the same for all images.
    fill = getattr(metric, "fill", None)
    constant = fill is not None and getattr(fill, "is_constant", True)
    blanked = isinstance(metric, Completeness) or (
        expected.forwards > NUM_IMAGES and not isinstance(metric, Infidelity | SensitivityN)
    )
    blank = 1 if blanked and constant else 0
    assert found == (expected.forwards + blank, expected.backwards)


def test_all_gradient_methods_together_cost_one_forward_and_two_backward_passes() -> None:
    cheap = [item for item in EXPLAINERS.values() if not any(passes_of(item))]
    assert len(cheap) >= 14
    needs = frozenset[str]().union(*map(needs_of, cheap))
    signals = Watched(needs)
    for explainer in cheap:
        explainer(signals)
    assert shared_passes(needs) == (1, 2)
    assert (signals.model.forwards, signals.model.backwards) == ([3], [3, 3])


def test_what_is_not_declared_is_nothing() -> None:
    @dataclass(frozen=True)
    class Quiet:
        superpixels: int = 50  # a number is no segmenter

    @dataclass(frozen=True)
    class Loud:
        num_backwards: ClassVar[int] = 4
        steps: int = 7
        superpixels: SLIC = SLIC(num_segments=9)

        @property
        def num_forwards(self) -> int:
            return self.steps

    assert (passes_of(Quiet()), segmenter_of(Quiet()), needs_of(Quiet())) == (
        Passes(0, 0),
        None,
        frozenset(),
    )
    assert passes_of(Loud()) == Passes(7, 4)
    assert segmenter_of(Loud()) == SLIC(num_segments=9)
