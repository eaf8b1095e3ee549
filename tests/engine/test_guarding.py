"""A method that breaks the rules spoils its own rows and no others, image by image."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from swag.signals import Signals
from swag.types import Kind
from swagflow.engine.guarding import require_saliency, unchanged
from swagflow.store.run_folder import Store
from tests.support.runs import Runner
from tests.support.toys import toy_cnn, untouched

pytestmark = pytest.mark.usefixtures("quick_report")
SIX = "datasets.squares.images=6"


@dataclass(frozen=True, kw_only=True)
class Rude:
    """The image's brightness, and something that nobody should do."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    deed: str = ""

    def __call__(self, signals: Signals) -> Tensor:
        saliency_BHW = signals.batch.image_BCHW.mean(1)
        return DEEDS[self.deed](signals, saliency_BHW)


def not_a_number(signals: Signals, saliency_BHW: Tensor) -> Tensor:
    for index, image_id in enumerate(signals.batch.image_ids):
        if image_id == "square/4":
            saliency_BHW[index, 0, 0] = torch.nan
    return saliency_BHW


def train(signals: Signals, saliency_BHW: Tensor) -> Tensor:
    signals.classifier.model.train()
    return saliency_BHW


def hook(signals: Signals, saliency_BHW: Tensor) -> Tensor:
    signals.classifier.model.register_forward_hook(lambda *_: torch.zeros(1, 2))
    return saliency_BHW


def thaw(signals: Signals, saliency_BHW: Tensor) -> Tensor:
    signals.classifier.model.requires_grad_()
    return saliency_BHW


def widen(signals: Signals, saliency_BHW: Tensor) -> Tensor:
    signals.classifier.model.double()
    return saliency_BHW


DEEDS: dict[str, Callable[[Signals, Tensor], Any]] = {
    "nan": not_a_number,
    "train": train,
    "hook": hook,
    "thaw": thaw,
    "widen": widen,
    "shape": lambda signals, saliency_BHW: saliency_BHW[:, 1:],
    "whole": lambda signals, saliency_BHW: (saliency_BHW * 100).long(),
    "list": lambda signals, saliency_BHW: saliency_BHW.tolist(),
    "exit": lambda signals, saliency_BHW: sys.exit(0),
}
RUDE = Rude()


def rows(runner: Runner, deed: str, shard_size: int = 3) -> pd.DataFrame:
    rude = {"type": f"{__name__}:RUDE", "deed": deed}
    explainers = {"rude": rude, "centre": {}, "swag": {"superpixels": {"num_segments": 6}}}
    assert runner(SIX, explainers=explainers, shard_size=shard_size) == 1
    return runner.scores().set_index(["explainer", "image_id"])


@pytest.mark.parametrize("shard_size", [2, 3, 6])
def test_an_image_without_a_finite_explanation_is_the_only_one_lost(
    runner: Runner, shard_size: int
) -> None:
    scores = rows(runner, "nan", shard_size)
    lost = scores[scores["error"].notna()]
    assert lost.index.tolist() == [("rude", "square/4")]
    assert "values that are not finite" in lost["error"].iloc[0]
    assert scores["value"].notna().sum() == 6 * 3 - 1
    maps = Store(runner.uri).read_explanations("squares", "toy", "rude")
    assert "square/4" not in maps
    assert len(maps) == 5


def test_a_metric_that_comes_later_scores_the_images_that_have_a_map(runner: Runner) -> None:
    rows(runner, "nan")
    rude = {"type": f"{__name__}:RUDE", "deed": "nan"}
    metrics = {"deletion": {}, "insertion": {"steps": 3}}
    assert runner(SIX, explainers={"rude": rude}, shard_size=3, metrics=metrics) == 1
    later = Store(runner.uri).read_scores("insertion").set_index("image_id")
    assert later["value"].notna().sum() == 5
    assert later.loc["square/4", "error"] == "it has no stored explanation"


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("train", "the whole of it is in training mode"),
        ("hook", "the whole of it has other hooks"),
        ("thaw", "its parameters have gradients"),
        ("widen", "its parameters are of another type"),
        ("shape", r"float32 of shape (3, 15, 16), wanted float32 of shape (3, 16, 16)"),
        ("whole", "torch.int64"),
        ("list", "returned a list, wanted a tensor"),
        ("exit", "SystemExit"),
    ],
)
def test_who_breaks_a_rule_has_errors_and_the_others_do_not_notice(
    runner: Runner, deed: str, message: str
) -> None:
    scores = rows(runner, deed)
    assert scores.loc["rude", "value"].isna().all()
    assert all(message in error for error in scores.loc["rude", "error"])
    others = scores.drop("rude")
    assert others["error"].isna().all()
    alone = Runner(runner.folder.parent / "alone")
    alone.folder.parent.mkdir()
    few = {"centre": {}, "swag": {"superpixels": {"num_segments": 6}}}
    assert alone(SIX, explainers=few, shard_size=3) == 0
    expected = alone.scores().set_index(["explainer", "image_id"]).loc[others.index]
    np.testing.assert_array_equal(others["value"], expected["value"])


def test_a_model_that_was_left_alone_is_left_alone() -> None:
    model = toy_cnn()
    with untouched(model), unchanged(model):
        model(torch.zeros(1, 3, 16, 16))


def test_what_is_restored_is_what_was_there() -> None:
    model = toy_cnn()
    handle = model.register_forward_hook(lambda *_: None)

    def spoil() -> None:
        handle.remove()
        model.train()
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)

    def run_guarded() -> None:
        with unchanged(model):
            spoil()

    with untouched(model), pytest.raises(ValueError, match="left changed"):
        run_guarded()


def test_a_saliency_is_taken_as_float32() -> None:
    found = require_saliency(torch.ones(2, 4, 4, dtype=torch.float64), torch.zeros(2, 3, 4, 4))
    assert found.dtype == torch.float32
