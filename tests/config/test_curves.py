"""Curves in a configuration: fillings and units by their names or with their fields."""

from __future__ import annotations

import pytest

from swag.curves.fillings import Black, Blur, NoisyLinear
from swag.metrics import PerturbationCurve
from swag.superpixels import SLIC, Squares
from swagflow.config.identity import describe
from swagflow.config.load import resolve
from swagflow.errors import UserError
from tests.support.runs import changed


def test_a_part_may_be_its_name_alone() -> None:
    metrics = {
        "dark": {"type": "morf", "fill": "black", "unit": "slic"},
        "blurred": {"type": "morf", "fill": {"type": "blur", "sigma": 2}, "unit": {"side": 4}},
        "few": {"type": "road", "fractions": [0.2, 0.4], "fill": {"noise": 0}},
    }
    made = resolve(changed(metrics=metrics, experiments={})).metrics
    assert made["dark"] == PerturbationCurve(fill=Black(), unit=SLIC())
    assert made["blurred"] == PerturbationCurve(fill=Blur(sigma=2.0), unit=Squares(side=4))
    few = PerturbationCurve(fill=NoisyLinear(noise=0.0), score="correct", fractions=(0.2, 0.4))
    assert made["few"] == few
    assert describe(made["blurred"])["fill"] == {"class": "Blur", "sigma": 2.0, "width": 11}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fill": "blurr"}, r"fill\.type: filling 'blurr' is unknown; did you mean 'blur'"),
        ({"fill": {"type": "blur", "sigma": -1}}, "fill: sigma must be positive"),
        ({"fill": {"sigma": 1}}, r"unknown key 'metrics\.morf\.fill\.sigma'"),
        ({"unit": "swag"}, r"unit\.type: segmenter 'swag' is unknown"),
        ({"fractions": [0.5], "steps": 3}, "a curve has steps or fractions, got both"),
        ({"order": "random"}, r"metrics\.morf: order: .*'most_relevant_first'.*, got 'random'"),
    ],
)
def test_wrong_curves(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(changed(metrics={"morf": fields}, experiments={}))
