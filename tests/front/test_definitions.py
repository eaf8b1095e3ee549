"""What a report says of methods and metrics that somebody has written."""

from __future__ import annotations

import html
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import swagflow
from swagflow.front.objects import GivenExplainer
from tests.support.plugins import Brightness, toy_cnn


def middle(scale: float, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The middle of
    the picture.

    Whatever it shows.
    """
    return images.mean(1) * scale


def darkness(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
    """How dark a map is."""
    return 1 - maps.flatten(1).mean(1)


@pytest.mark.usefixtures("undrawn")
def test_definitions_of_ones_own_stand_beside_those_of_the_package() -> None:
    torch.manual_seed(0)
    methods = {
        "mine": partial(middle, 2.0),
        "theirs": {"type": "captum:Saliency"},
        "own": {"type": f"{Brightness.__module__}:Brightness"},
        "centre": "centre",
    }
    results = swagflow.evaluate(
        toy_cnn().eval(),
        torch.rand(3, 3, 16, 16),
        explainers=methods,
        metrics={"dark": darkness},
        progress=False,
    )
    page = Path(results.report()).read_text(encoding="utf-8")
    told = {
        name.lower(): html.unescape(text)
        for name, text in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    }
    assert told["mine"] == "The middle of the picture."
    assert told["dark"] == "How dark a map is."
    assert told["theirs"].startswith("Saliency of the library captum ")
    assert told["own"] == str(Brightness.__doc__)
    assert told["centre"].startswith("Negative Euclidean distance to the image")


def test_a_function_that_is_not_at_hand_says_nothing() -> None:
    assert GivenExplainer("f", "code").about == ""
