"""What metrics of robustness, randomisation, complexity and attribution mean, by their fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import names
from .wording import MetricText

FieldsOf = Mapping[str, Any]
_ALIKE = {
    "spearman": "Spearman's rank correlation",
    "pearson": "Pearson's correlation",
    "ssim": "structural similarity (SSIM)",
    "hog": "Pearson's correlation of the histograms of oriented gradients (HOG)",
}


def _sensitivity(fields: FieldsOf) -> MetricText:
    is_max = fields.get("statistic") == "max"
    return MetricText(
        "Max-sensitivity" if is_max else "Average sensitivity",
        f"The image is explained again with uniform noise of at most {_number(fields, 'radius')}, "
        f"{names.count(int(fields.get('num_samples', 0)), 'time')}; the score is the "
        f"{'largest' if is_max else 'mean'} change of the saliency divided by its own norm (Yeh et "
        "al., 2019). A saliency that ignores the image has the best value, 0.",
    )


def _stability(fields: FieldsOf) -> MetricText:
    by = "input" if fields.get("against") == "input" else "output"
    below = "the image's relative change" if by == "input" else "the change of the logits"
    return MetricText(
        f"Relative {by} stability",
        f"The largest relative change of the saliency divided by {below}, over "
        f"{names.count(int(fields.get('num_samples', 0)), 'noisy image')} (within "
        f"{_number(fields, 'radius')}) of the same predicted class (Agarwal et al., 2022).",
    )


def _equivariance(fields: FieldsOf) -> MetricText:
    if fields.get("transform") == "flip":
        label, moved = "Equivariance under a flip", "left and right exchanged"
    else:
        label = f"Equivariance under a shift of {fields.get('pixels')} px"
        moved = f"everything {fields.get('pixels')} pixels further right"
    return MetricText(
        label,
        f"The image is explained again with {moved}; the score is {_alike(fields)} of that "
        "saliency and the first one, moved alike.",
    )


def _randomisation(fields: FieldsOf) -> MetricText:
    steps = int(fields.get("num_steps", 1))
    cascading = fields.get("order") == "cascading"
    which = "added up from the last" if cascading else "each alone"
    return MetricText(
        f"Parameter randomisation, {'cascading' if cascading else 'independent'}",
        f"The model's layers are drawn anew in {names.count(steps, 'group')}, {which}, and the "
        f"image is explained again each time; the score is the mean of {_alike(fields)} with the "
        "trained model's saliency (Adebayo et al., 2018). What explains the model falls to 0.",
        curve_x="Groups of layers drawn anew, the last layers first",
        curve_y="Similarity with the trained model's",
        from_zero=False,
    )


def _efficient(fields: FieldsOf) -> MetricText:
    return MetricText(
        "Efficient randomisation",
        "All layers of the model are drawn anew and the image is explained again; the score is "
        f"by how much the entropy of the saliency's histogram ({fields.get('bins')} bins) rises, "
        "relative to the trained model's (efficient MPRT, Hedstr\u00f6m et al., 2024).",
    )


def _random_logit(fields: FieldsOf) -> MetricText:
    return MetricText(
        "Random logit",
        f"Another class, drawn for each image, is explained; the score is {_alike(fields)} of the "
        "two saliencies (Sixt et al., 2020). What explains the class is not alike.",
    )


def _sparseness(_: FieldsOf) -> MetricText:
    return MetricText(
        "Sparseness",
        "Gini index of the saliency's magnitudes: 0 where all pixels are as important, towards 1 "
        "where one is (Chalasani et al., 2020).",
    )


def _complexity(_: FieldsOf) -> MetricText:
    return MetricText(
        "Complexity",
        "Entropy, in nats, of the pixels' shares of the saliency's magnitude (Bhatt et al., 2020).",
    )


def _infidelity(fields: FieldsOf) -> MetricText:
    scaled = ", scaled to fit best," if fields.get("scaled") else ""
    return MetricText(
        "Infidelity",
        f"{names.count(int(fields.get('num_samples', 0)), 'random square')} of the image "
        f"{'is' if fields.get('num_samples') == 1 else 'are'} replaced, one at a time; the score "
        f"is the mean squared difference of the saliency's sum over it{scaled} and what the class "
        f"loses of its {fields.get('score')} (Yeh et al., 2019).",
    )


def _sensitivity_n(fields: FieldsOf) -> MetricText:
    shares = ", ".join(f"{float(share):.0%}" for share in fields.get("fractions", ()))
    return MetricText(
        "Sensitivity-n",
        f"Of random subsets of {shares} of the units, "
        f"{int(fields.get('num_subsets', 0)):,} of each size: Pearson's correlation of the "
        f"saliency's sum and what the class loses of its {fields.get('score')} without them, the "
        "mean over the sizes (Ancona et al., 2018).",
        curve_x="Units in a subset",
        curve_y="Correlation",
        from_zero=False,
    )


def _completeness(fields: FieldsOf) -> MetricText:
    within = f"{float(fields.get('tolerance', 0)):.0%}"
    return MetricText(
        "Completeness",
        "Share of images whose saliency adds up to what the class loses of its "
        f"{fields.get('score')} with the whole image, within {within} of that (Sundararajan et "
        "al., 2017).",
    )


JUDGING: Mapping[str, Callable[[FieldsOf], MetricText]] = {
    "Sensitivity": _sensitivity,
    "RelativeStability": _stability,
    "Equivariance": _equivariance,
    "ParameterRandomisation": _randomisation,
    "EfficientRandomisation": _efficient,
    "RandomLogit": _random_logit,
    "Sparseness": _sparseness,
    "Complexity": _complexity,
    "Infidelity": _infidelity,
    "SensitivityN": _sensitivity_n,
    "Completeness": _completeness,
}
"""By class."""


def _alike(fields: FieldsOf) -> str:
    of = " of their magnitudes" if fields.get("absolute") else ""
    kind = str(fields.get("similarity"))
    return _ALIKE.get(kind, kind) + of


def _number(fields: FieldsOf, name: str) -> str:
    return f"{float(fields.get(name, 0)):g}"
