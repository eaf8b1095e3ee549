"""The deletion curve: how fast the target's score falls as the most salient pixels go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from swag.metrics.checks import require_finite, require_fit
from swag.packing import Part, target_probability
from swag.signals import Signals
from swag.types import Score

Fill = Literal["mean", "black"]


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """Area under the deletion curve (Petsiuk et al., 2018), in [0, 1].

    The n+1 scores of a curve are softmax outputs of the target: of the image, after each of n
    batches of ceil(H W / steps) pixels went, most salient first, and of the image with none left.
    The area is the trapezoid over equal steps. Pixels become the data set's mean colour, 0 after
    normalisation, as in the authors' code; `fill` may be black instead.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = False

    steps: int = 28
    fill: Fill = "mean"

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"deletion needs at least 1 step, got {self.steps}")
        if self.fill not in get_args(Fill):
            raise ValueError(f"fill {self.fill!r} is unknown; choose one of {get_args(Fill)}")

    @property
    def num_forwards(self) -> int:
        """Model passes per image; the curve's ends cost none."""
        return self.steps - 1

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        step_BHW = shared_step(signals, saliency_BHW, self.steps)
        curve_BT = curves(signals, step_BHW, self.fill, insert=False)
        return Score(value_B=area_under(curve_BT), curve_BT=curve_BT)


def area_under(curve_BT: Tensor) -> Tensor:
    """Return the normalised trapezoid of each curve, float64."""
    curve_BT = curve_BT.double()
    ends_B = (curve_BT[:, 0] + curve_BT[:, -1]) / 2
    return (curve_BT.sum(1) - ends_B) / (curve_BT.shape[1] - 1)


def shared_step(signals: Signals, saliency_BHW: Tensor, steps: int) -> Tensor:
    """Return `removal_step`; metrics that judge one saliency after another rank it once.

    Raises:
        ValueError: the saliency does not fit the images, or is not finite.
    """
    require_fit(signals, saliency_BHW)
    saliency_BHW = saliency_BHW.float()
    latest: dict[int, tuple[Tensor, Tensor]] = signals.once("removal_step", dict)
    # Compared by content, because the caller may write into its tensor between two metrics.
    if steps not in latest or not torch.equal(latest[steps][0], saliency_BHW):
        latest[steps] = saliency_BHW.clone(), removal_step(saliency_BHW, steps)
    return latest[steps][1]


def removal_step(saliency_BHW: Tensor, steps: int) -> Tensor:
    """Return for each pixel the step, from 0, at which it goes; int32 (B, H, W).

    The order is stable and descending: of equally salient pixels the first in row-major order goes
    first. Region methods tie within each superpixel, so this rule is part of the result.

    Raises:
        ValueError: a saliency is not finite.
    """
    require_finite(saliency_BHW)
    batch, height, width = saliency_BHW.shape
    order_BP = descending_order(saliency_BHW.flatten(1))
    per_step = -(-height * width // steps)
    step_P = torch.arange(height * width, device=order_BP.device) // per_step
    step_BP = torch.empty_like(order_BP).scatter_(1, order_BP, step_P.expand(batch, -1))
    return step_BP.view(batch, height, width).int()


def descending_order(value_BP: Tensor) -> Tensor:
    """Return the stable descending order of each row of float32 values as int64 indices.

    Each value and its index become one integer, all different: any sorting algorithm then gives the
    one stable order, on every processor.
    """
    bits = (value_BP.float() + 0.0).contiguous().view(torch.int32).long()  # + 0.0 makes -0.0 0.0
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    key = ((-1 - ascending) << 32) | torch.arange(value_BP.shape[1], device=value_BP.device)
    if key.device.type == "cpu":
        key.numpy().sort(1)  # several times as fast as torch's
    else:
        key = key.sort(1).values
    return key & 0xFFFFFFFF


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

    def perturb(part: Part, copies_TCHW: Tensor) -> None:
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
