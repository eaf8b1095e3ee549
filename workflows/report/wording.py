"""How a metric is written about, and the text of what is no metric's: remove and retrain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricText:
    """How a metric is written about."""

    label: str
    definition: str = ""
    decimals: int | None = 3
    """None: three significant digits."""
    factor: float = 1.0
    """What a stored value is multiplied by to be shown."""
    unit: str = ""
    curve_x: str = "Curve, from its start to its end"
    curve_y: str = "Score"
    falls: bool = False
    """Whether good curves fall at once, so that they part in the lower left corner."""
    from_zero: bool = True
    """Whether the axis of curves begins at 0."""
    points: tuple[float, ...] = ()
    """Where on the x axis curves were scored; empty: evenly over all of it."""


ROAR = MetricText(
    "ROAR AUC",
    "The most salient share of each image's pixels is replaced by the mean colour in training "
    "and validation images and the model is trained anew; the score is the area under its "
    "validation accuracy against that share (Hooker et al., 2019), once divided by the range "
    "of shares and once plain. Each value is one repeat of the training.",
    curve_x="Pixels removed",
    curve_y="Accuracy after retraining",
)
