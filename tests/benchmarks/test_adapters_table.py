"""The table of what changes maps of other libraries."""

from __future__ import annotations

import torch

from benchmarks.adapters import TOLERANCE, difference, lines


def test_a_difference_is_told_by_its_size() -> None:
    first = torch.tensor([0.0, -2.0])
    assert difference(first, first.clone()) == "same bits"
    assert difference(first, first + TOLERANCE) == "rounding"
    assert difference(first, first + 3 * TOLERANCE) == "differs"
    assert difference(torch.zeros(2), torch.full((2,), TOLERANCE)) == "rounding"


def test_methods_with_the_same_answers_share_a_row() -> None:
    names = ["captum:Saliency", "captum:InputXGradient", "captum:NoiseTunnel", "captum:Nothing"]
    _, _, plain, noisy, refused = lines(names)
    assert plain.startswith("| `captum:Saliency`, `captum:InputXGradient` | tiny_vgg | same bits |")
    assert noisy.endswith("| differs | same bits |")
    assert refused.startswith("| `captum:Nothing` | refused: ")
