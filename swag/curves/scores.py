"""Scores along a curve, and the area under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from swag.checks import require_one_of
from swag.classifier import Classifier
from swag.curves.fillings import Black, MeanColour
from swag.curves.ranks import shared_ranks, step_of
from swag.packing import CopiesOfImage, Read, reads, target_scores
from swag.protocols import Filling, Painter
from swag.signals import Signals
from swag.superpixels.grid import Pixel
from swag.types import Fill, Score

Reading = Literal["probability", "logit", "correct", "relative"]
"""What of the model's outputs a curve follows: the target's score (`Classifier.scores`), its logit,
1 where it has the largest logit and else 0, or its score divided by that of the whole image."""

FILLINGS: dict[Fill, Filling] = {"mean": MeanColour(), "black": Black()}


def require_curve(name: str, steps: int, fill: Fill) -> None:
    """Raise ValueError where a curve's settings are out of range."""
    if steps < 1:
        raise ValueError(f"{name} needs at least 1 step, got {steps}")
    require_one_of("fill", fill, get_args(Fill))


@dataclass(frozen=True, kw_only=True)
class Points:
    """Where a curve is scored, as more and more of an image is changed."""

    count: int
    from_nothing: bool = True
    """Whether nothing is changed at the first point."""
    to_everything: bool = True
    """Whether everything is changed at the last."""


def area_under(curve_BT: Tensor, shares: Sequence[float] | None = None) -> Tensor:
    """Return the trapezoid under each curve divided by its width, float64.

    Args:
        curve_BT: scores; a single one is its own area.
        shares: where they stand; None: evenly apart.
    """
    curve_BT = curve_BT.double()
    if curve_BT.shape[1] == 1:
        return curve_BT[:, 0]
    if shares is not None:
        x_T = torch.tensor(shares, dtype=torch.float64, device=curve_BT.device)
        return torch.trapezoid(curve_BT, x_T, dim=1) / (x_T[-1] - x_T[0])
    ends_B = (curve_BT[:, 0] + curve_BT[:, -1]) / 2
    return (curve_BT.sum(1) - ends_B) / (curve_BT.shape[1] - 1)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What happens to images along a curve, and what is read of the model."""

    filling: Filling
    insert: bool = False
    """Whether pixels come into images that have none, instead of going from whole ones."""
    reading: Reading = "probability"


@torch.no_grad()
def curves(signals: Signals, step_BHW: Tensor, points: Points, course: Course) -> Tensor:
    """Return curve_BT, float32: the score at each point.

    The whole image is the classification pass, and one without any pixel is the same for all where
    its filling is constant: such an end of a curve costs no pass. NaN where a score is divided by
    one of 0.

    Args:
        step_BHW: the last point at which a pixel is as it was at the beginning.
    """
    paint, insert = course.filling(signals), course.insert
    read = reader(signals.classifier, course.reading)
    whole_B1 = _of_target(signals, read)
    starts_free = points.from_nothing and (course.filling.is_constant or not insert)
    ends_free = points.to_everything and (course.filling.is_constant or insert)
    first, last = int(starts_free), points.count - int(ends_free)

    # Numbers in and out: several times as fast on a CPU as a bool mask, and as `where`.
    step_BHW = step_BHW.to(whole_B1)
    is_shown = torch.lt if insert else torch.ge

    def perturb(part: CopiesOfImage, copies_TCHW: Tensor) -> None:
        point_T = torch.arange(first + part.first, first + part.last).to(whole_B1)
        shown_T1HW = torch.empty_like(copies_TCHW[:, :1])
        is_shown(step_BHW[part.image], point_T[:, None, None, None], out=shown_T1HW)
        paint(part.image, shown_T1HW, copies_TCHW)

    counts = [last - first] * len(step_BHW)
    slow = getattr(course.filling, "in_threads", False)
    parts = [torch.stack(target_scores(signals, counts, perturb, read, in_threads=slow))]
    if starts_free:
        parts.insert(0, _blank(signals, paint, read) if insert else whole_B1)
    if ends_free:
        parts.append(whole_B1 if insert else _blank(signals, paint, read))
    curve_BT = torch.cat(parts, 1).float()
    if course.reading != "relative":
        return curve_BT
    return curve_BT / whole_B1.where(whole_B1 != 0, torch.nan)


def whole_score(signals: Signals, reading: Reading) -> Tensor:
    """Return what is read of the unmodified images, (B, 1); NaN where that is divided by 0."""
    whole_B1 = _of_target(signals, reader(signals.classifier, reading))
    return (
        whole_B1 / whole_B1.where(whole_B1 != 0, torch.nan) if reading == "relative" else whole_B1
    )


def _of_target(signals: Signals, read: Read) -> Tensor:
    return read(signals.logit_BK).gather(1, signals.target_B[:, None])


def pixel_curve(
    signals: Signals, saliency_BHW: Tensor, steps: int, fill: Fill, *, insert: bool
) -> Score:
    """Return the curve of single pixels, most salient first, and its area."""
    step_BHW = step_of(shared_ranks(signals, saliency_BHW, Pixel()), steps)
    points = Points(count=int(step_BHW.max()) + 2)
    curve_BT = curves(signals, step_BHW, points, Course(filling=FILLINGS[fill], insert=insert))
    return Score(value_B=area_under(curve_BT), curve_BT=curve_BT)


def _blank(signals: Signals, paint: Painter, read: Read) -> Tensor:
    """Return the targets' scores of the one image that has no pixel left, (B, 1)."""
    x_1CHW = signals.normalised_BCHW[:1]
    blank_1CHW = torch.empty_like(x_1CHW)
    paint(0, torch.zeros_like(x_1CHW[:, :1]), blank_1CHW)
    logit_K = signals.classifier.constant_logit_K(blank_1CHW[0])
    return read(logit_K[None])[0, signals.target_B][:, None]


def reader(classifier: Classifier, reading: Reading) -> Read:
    """Return what reads each class's score_NK of its logit_NK."""
    if reading == "correct":
        return lambda logit_NK: one_hot(logit_NK.argmax(1), logit_NK.shape[1]).to(logit_NK)
    return reads(classifier, "logit" if reading == "logit" else "probability")
