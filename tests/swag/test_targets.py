"""Which class is explained, by hand and beside a sort."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import swag
from swag.signals import GRADIENTS, Signals
from swag.targets import Target, ranked_class
from tests.support.toys import batch_of, classifier_of, images, toy, toy_cnn


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("predicted", Target("top", 1)),
        ("top:1", Target("top", 1)),
        ("top:3", Target("top", 3)),
        ("label", Target("label", 0)),
        (7, Target("class", 7)),
        ("7", Target("class", 7)),
        ("tabby cat", Target("class", -1, "tabby cat")),
    ],
)
def test_a_rule_and_its_text(text: str | int, target: Target) -> None:
    assert Target.parse(text) == target
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("top:0", "places begin at top:1"),
        ("top:x", "wanted predicted, label, top:K such as top:2, or a class"),
        ("-1", "target '-1' is unknown"),
        ("", "target '' is unknown"),
    ],
)
def test_wrong_rules(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Target.parse(text)


def test_a_name_becomes_the_number_of_its_class() -> None:
    assert Target.parse("dog").named_in(["cat", "dog"]) == Target("class", 1)
    with pytest.raises(ValueError, match="is the name of 0 of the 2 classes; give the number"):
        Target.parse("cow").named_in(["cat", "dog"])
    with pytest.raises(ValueError, match="is the name of 2 of the 3 classes"):
        Target.parse("crane").named_in(["crane", "crane", "dog"])


@pytest.mark.parametrize(
    ("text", "fits"), [("4", True), ("5", False), ("top:5", True), ("top:6", False)]
)
def test_a_model_must_have_the_class(text: str, fits: bool) -> None:
    if fits:
        Target.parse(text).require_in(5)
        return
    with pytest.raises(ValueError, match="the model has 5 classes, 0 to 4"):
        Target.parse(text).require_in(5)


@given(st.integers(0, 2**30), st.integers(1, 6))
def test_places_are_those_of_a_stable_sort(seed: int, place: int) -> None:
    logit_BK = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (3, 6))).float()
    found_B = ranked_class(logit_BK, place)
    for row, found in zip(logit_BK.tolist(), found_B.tolist(), strict=True):
        order = sorted(range(6), key=lambda index: (-row[index], index))
        assert place == 1 or order[place - 1] == found
        assert row[found] == row[order[place - 1]]


@pytest.mark.parametrize("needs", [frozenset[str](), GRADIENTS])
def test_signals_explain_the_class_at_a_place(needs: frozenset[str]) -> None:
    classifier = classifier_of(toy_cnn(), cam_layer="4")
    signals = Signals(classifier, batch_of(images(3), target_place=2), needs)
    second_B = signals.logit_BK.topk(2).indices[:, 1]
    assert torch.equal(signals.target_B, second_B)
    assert torch.equal(signals.prediction_B, signals.logit_BK.argmax(1))
    asked = Signals(classifier, batch_of(images(3), target_B=second_B), needs)
    assert torch.equal(signals.gradient_BCHW, asked.gradient_BCHW)
    assert torch.equal(signals.guided_gradient_BCHW, asked.guided_gradient_BCHW)


def test_a_word_serves_in_one_call() -> None:
    image_BCHW = images(2)
    second_B = Signals(toy(), batch_of(image_BCHW)).logit_BK.topk(2).indices[:, 1]
    options: dict[str, Any] = {"method": "vanilla_gradient", "mean": (0.5,) * 3, "std": (0.25,) * 3}
    found = swag.explain(toy_cnn(), image_BCHW, target="top:2", **options)
    assert torch.equal(found, swag.explain(toy_cnn(), image_BCHW, target=second_B, **options))
    plain = swag.explain(toy_cnn(), image_BCHW, **options)
    assert torch.equal(plain, swag.explain(toy_cnn(), image_BCHW, target="predicted", **options))
    with pytest.raises(ValueError, match="target 'label': wanted predicted, top:K, or numbers"):
        swag.explain(toy_cnn(), image_BCHW, target="label", **options)
    with pytest.raises(ValueError, match="target top:9: the model has 5 classes only"):
        swag.explain(toy_cnn(), image_BCHW, target="top:9", **options)


def test_a_place_before_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="target_place must be at least 1, got 0"):
        batch_of(images(1), target_place=0)
