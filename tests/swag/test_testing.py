"""What is said of explainers and metrics that break the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from swag.signals import Signals
from swag.testing import ContractError, check_explainer, check_metric
from swag.types import Score


@dataclass(frozen=True)
class Plain:
    """The sum of the colours, which is a saliency like any other."""

    version: ClassVar[int] = 1
    kind: ClassVar[Any] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, signals: Signals) -> Any:
        return signals.batch.image_BCHW.sum(1)


class Neighbours(Plain):
    """Divides by the batch's sum."""

    def __call__(self, signals: Signals) -> Any:
        saliency_BHW = super().__call__(signals)
        return saliency_BHW / saliency_BHW.sum()


class Unseeded(Plain):
    """Draws from torch's own generator."""

    def __call__(self, signals: Signals) -> Any:
        return torch.rand(signals.batch.image_BCHW.sum(1).shape)


class Numpy(Plain):
    """Returns no tensor."""

    def __call__(self, signals: Signals) -> Any:
        return np.asarray(super().__call__(signals))


class Colours(Plain):
    """Returns a value for each colour, as float64 and not finite."""

    def __call__(self, signals: Signals) -> Any:
        return signals.batch.image_BCHW.double() / 0


class NotFinite(Plain):
    """Divides by zero."""

    def __call__(self, signals: Signals) -> Any:
        return super().__call__(signals) / 0


class Graph(Plain):
    """Leaves the graph on."""

    def __call__(self, signals: Signals) -> Any:
        return super().__call__(signals) * torch.ones(1, requires_grad=True)


class Trains(Plain):
    """Leaves the model in training mode, with a hook."""

    def __call__(self, signals: Signals) -> Any:
        signals.classifier.model.train()
        signals.classifier.model.register_forward_hook(lambda *_: None)
        return super().__call__(signals)


class Overwrites(Plain):
    """Works in place."""

    def __call__(self, signals: Signals) -> Any:
        return signals.batch.image_BCHW.mul_(0.5).sum(1)


class Hidden(Plain):
    """Runs two passes of an image without saying so."""

    def __call__(self, signals: Signals) -> Any:
        for _ in range(2):
            signals.classifier.all_logits(signals.normalised_BCHW.clone())
        return super().__call__(signals)


class Kindless(Plain):
    """Is of no kind that there is."""

    kind: ClassVar[Any] = "pixels"


class Old(Plain):
    """Has no version that counts."""

    version: ClassVar[Any] = "1.0"


class NoDataclass:
    version, kind, needs = 1, "pixel", frozenset[str]()

    def __call__(self, signals: Signals) -> Tensor:
        return signals.batch.image_BCHW.sum(1)


@pytest.mark.parametrize(
    ("explainer", "says"),
    [
        (Neighbours(), "a result may depend on its own image only"),
        (Unseeded(), "it changed torch's random numbers"),
        (Numpy(), r"it returned a ndarray, wanted float32 of shape \(3, 32, 32\)"),
        (Colours(), r"it returned torch.float64 of shape \(3, 3, 32, 32\), wanted float32"),
        (NotFinite(), "values that are not finite"),
        (Graph(), "carries a gradient graph"),
        (Trains(), "changed training and evaluation modes\n- it changed the model's hooks"),
        (Overwrites(), "it overwrote the images"),
        (Hidden(), "it ran 3 forward passes an image and declares 1: say so by num_forwards"),
        (Kindless(), "kind is 'pixels', wanted one of"),
        (Old(), "version is '1.0', wanted a number from 1"),
        (NoDataclass(), "NoDataclass is no dataclass"),
        (Plain, "is no explainer: wanted an instance"),
        (print, "is no explainer: wanted an instance"),
    ],
)
def test_an_explainer_that_breaks_the_contract_is_told(explainer: object, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_explainer(explainer)


def test_what_can_be_changed_is_no_identity() -> None:
    with pytest.raises(ContractError, match="Thawed is not frozen"):
        check_explainer(_thawed())


def _thawed() -> object:
    @dataclass(eq=False)
    class Thawed:
        """Can be changed."""

        version: ClassVar[int] = 1
        kind: ClassVar[Any] = "pixel"
        needs: ClassVar[frozenset[str]] = frozenset()

        def __call__(self, signals: Signals) -> Tensor:
            return signals.batch.image_BCHW.sum(1)

    return Thawed()


def test_one_that_keeps_to_it_passes() -> None:
    check_explainer(Plain())


@dataclass(frozen=True)
class Mean:
    """The mean of a saliency."""

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[Any] = True

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Any:
        return Score(value_B=saliency_BHW.double().mean((1, 2)))


class Single(Mean):
    """Gives float32."""

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Any:
        return Score(value_B=saliency_BHW.mean((1, 2)))


class Bare(Mean):
    """Gives a tensor."""

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Any:
        return saliency_BHW.double().mean((1, 2))


class Infinite(Mean):
    """Divides by zero."""

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Any:
        return Score(value_B=saliency_BHW.double().mean((1, 2)) / 0)


class Undecided(Mean):
    """Does not say which way is good."""

    higher_is_better: ClassVar[Any] = "yes"


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (Single(), "value_B is torch.float32"),
        (Bare(), "it returned a Tensor, wanted a swag.Score"),
        (Infinite(), "a value is infinite"),
        (Undecided(), "higher_is_better is 'yes'"),
        (Plain(), "is no metric"),
    ],
)
def test_a_metric_that_breaks_the_contract_is_told(metric: object, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_metric(metric)


def test_a_metric_that_keeps_to_it_passes() -> None:
    check_metric(Mean())
