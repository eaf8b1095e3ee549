"""Scores along a curve, and the area under it."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from swag.checks import require_one_of
from swag.packing import CopiesOfImage, target_probability
from swag.signals import Signals
from swag.types import Fill


def require_curve(name: str, steps: int, fill: Fill) -> None:
    """Raise ValueError where a curve's settings are out of range."""
    if steps < 1:
        raise ValueError(f"{name} needs at least 1 step, got {steps}")
    require_one_of("fill", fill, get_args(Fill))


def area_under(curve_BT: Tensor) -> Tensor:
    """Return the normalised trapezoid of each curve, float64."""
    curve_BT = curve_BT.double()
    ends_B = (curve_BT[:, 0] + curve_BT[:, -1]) / 2
    return (curve_BT.sum(1) - ends_B) / (curve_BT.shape[1] - 1)


@torch.no_grad()
def curves(signals: Signals, step_BHW: Tensor, fill: Fill, *, insert: bool) -> Tensor:
    """Return curve_BT, float32: the target's score before any and after each step.

    Pixels of a step go from the image or, with `insert`, come into the blank one. One end of a
    curve is the classification pass and the other is one constant image's, so n steps cost n - 1
    passes an image.
    """
    classifier, x_BCHW = signals.classifier, signals.normalised_BCHW
    black_1C11 = -classifier.mean_1C11 / classifier.std_1C11
    fill_1C11 = black_1C11 if fill == "black" else torch.zeros_like(black_1C11)
    blank_1CHW = fill_1C11.expand_as(x_BCHW[:1])
    target_B1 = signals.target_B[:, None]
    num_steps = int(step_BHW.max()) + 1

    # Numbers in and out: several times as fast on a CPU as a bool mask, and as `where`.
    step_BHW = step_BHW.to(x_BCHW)
    is_shown = torch.lt if insert else torch.ge

    def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
        # A curve's point 0 is an end, so copy 0 is point 1.
        point_T = torch.arange(part.first + 1, part.last + 1).to(x_BCHW)
        shown_T1HW = torch.empty_like(copies_TCHW[:, :1])
        is_shown(step_BHW[part.image], point_T[:, None, None, None], out=shown_T1HW)
        # Exact for weights 0 and 1.
        torch.lerp(blank_1CHW, x_BCHW[part.image, None], shown_T1HW, out=copies_TCHW)

    inner_BT = torch.stack(target_probability(signals, [num_steps - 1] * len(x_BCHW), perturb))
    whole_B1 = signals.probability_BK.gather(1, target_B1)
    blank_B1 = classifier.constant_probability_K(blank_1CHW[0])[target_B1]
    ends = (blank_B1, whole_B1) if insert else (whole_B1, blank_B1)
    return torch.cat([ends[0], inner_BT, ends[1]], 1).float()
