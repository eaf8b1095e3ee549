"""What a benchmark asks of its data sets, models and methods: experiments, and remove and retrain.

A configuration writes them, and a run folder keeps them for whoever reads its rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from swag.types import NEW_FIELD

Switch = Literal["auto", True, False]
PrintedTable = Literal["table1", "table2", "table3", "table4", "table5", "table6"]
"""A table of Hartley et al. whose printed numbers may stand beside an experiment's."""
MOST_METHODS = 20
"""Of which a table of a sweep, a plot of curves or a row of pictures is readable."""
_STEM = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,199})?")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure that a report has beside a table."""

    number: str = ""
    """Such as "Figure 2"."""
    stem: str = ""
    """Name of its files without the ending; empty: made from the experiment's name."""

    def __post_init__(self) -> None:
        _require_stem(self.stem)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Along which fields of its explainers an experiment goes; names have a dot for every level."""

    x: str
    """A field that holds a number, such as superpixels.num_segments."""
    x_label: str = ""
    """Empty: the field's name in words. What stands between dollar signs is a formula."""
    series: str = ""
    """A line for each value of this field; empty: for all explainers that are equal but for x."""
    series_label: str = ""
    """With {} for that value; empty: what the names of a line's explainers have in common."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What a report says of an experiment; no number depends on it."""

    title: str = ""
    """Empty: the experiment's name in words."""
    number: str = ""
    """Such as "Table 1"."""
    intro: str = ""
    """A paragraph above the table."""
    note: str = ""
    """A sentence in the caption."""
    stem: str = ""
    """Name of its files without the ending; empty: made from the experiment and its metric."""
    paper: PrintedTable | None = None

    def __post_init__(self) -> None:
        _require_stem(self.stem)


@dataclass(frozen=True, kw_only=True)
class Show(Caption):
    """How a report shows an experiment. "auto" decides by what there is."""

    table: Switch = "auto"
    """False: only written as a file. auto: shown, unless it is a long one of a sweep."""
    curves: Switch | Picture = "auto"
    """Mean curves. auto: where the metric has some and the methods are few enough for one plot."""
    sweep: Switch | Sweep = "auto"
    """A plot along a field. auto: where explainers are equal but for one number."""
    headline: Switch = "auto"
    """The best methods at the top of the page. auto: of the first experiment."""
    gallery: Switch | Picture = "auto"
    """Saliencies side by side. auto: of the first experiment whose masks are there."""
    scrubber: Switch = "auto"
    """The slider that deletes pixels. auto: of the first experiment of a deletion metric."""


@dataclass(frozen=True, kw_only=True)
class RoarShow(Caption):
    """How a report shows remove and retrain."""

    curves: Switch | Picture = "auto"
    after: str = ""
    """The experiment that it follows; without it, or where that is not there, it comes last."""


def _require_stem(stem: str) -> None:
    if not _STEM.fullmatch(stem):
        raise ValueError(
            f"stem {stem!r} cannot be the name of files; use letters, digits, '.', '-' and '_'"
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A table or figure: one metric of some explainers on some data sets and models.

    What the experiments of a benchmark name is what it computes; what two of them share is computed
    once. An explainer that none of them names joins the first.
    """

    explainers: tuple[str, ...]
    """A configuration may leave them out: all."""
    metric: str | None = "deletion"
    """None: masks only."""
    datasets: tuple[str, ...] = ()
    """Empty: all but those that only train."""
    models: tuple[str, ...] = ()
    """Empty: all."""
    only_correct: bool = False
    """Tables and figures are of the images that the model gives their label."""
    show: Show = Show()

    @property
    def shows_curves(self) -> bool:
        """Whether its mean curves are drawn, should it have some."""
        asked = self.show.curves
        return not (asked is False or (asked == "auto" and len(self.explainers) > MOST_METHODS))

    def covers(self, dataset: str, model: str) -> bool:
        return dataset in (self.datasets or (dataset,)) and model in (self.models or (model,))


@dataclass(frozen=True, kw_only=True)
class RankedMetrics:
    """A question to the rows: do some metrics put the methods into the same order?

    It computes nothing: what is ranked is what experiments score.
    """

    metrics: tuple[str, ...] = ()
    """Empty: all that judge maps."""
    explainers: tuple[str, ...] = ()
    """Empty: all that have a score of each of these metrics."""
    datasets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    show: Caption = Caption()


ROAR_EXTENT = ("explainers", "models", "fractions", "repeats", "show")
"""Fields of `Roar` that say which jobs there are and how they are shown; the others are the recipe
of each."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained for the sake of a score."""

    train: str
    """The data set whose images train; the one that this belongs to is judged."""
    epochs: int = 50
    learning_rate: float = 0.001
    batch_size: int = 32
    optimizer: Literal["sgd", "adamw"] = "sgd"
    schedule: Literal["constant", "cosine"] = "constant"
    flip: bool = True
    """Mirror each training image left to right with chance 1/2."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")


@dataclass(frozen=True, kw_only=True)
class Tuning(Recipe):
    """How models are fine-tuned on perturbed images, once for each kind of perturbation.

    Metrics that score with such a model (`swag.protocols.TunedMetric`) say what is perturbed.
    """

    epochs: int = 30


@dataclass(frozen=True, kw_only=True)
class Roar(Recipe):
    """Remove and retrain (Hooker et al., 2019): models trained again without the salient pixels."""

    explainers: tuple[str, ...]
    models: tuple[str, ...] = ()
    """Empty: all."""
    fractions: tuple[float, ...] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    """Of an image's pixels that are removed; 0 is trained once for all explainers."""
    repeats: int = 5
    start: Literal["pretrained", "scratch"] = "pretrained"
    show: RoarShow = field(default=RoarShow(), metadata={NEW_FIELD: True})
    """Where several data sets validate, the first one's counts."""

    def __post_init__(self) -> None:
        if not self.fractions or any(not 0 <= fraction < 1 for fraction in self.fractions):
            raise ValueError(f"fractions must lie in [0, 1), got {list(self.fractions)}")
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")
        super().__post_init__()
