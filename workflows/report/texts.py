"""What metrics mean, in words that follow from their fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from . import names
from .curve_texts import COLOURS, axes_of, definition_of, label_of
from .judging_texts import JUDGING
from .tuned_texts import f_fidelity_definition, fractions_of, idsds_definition
from .wording import MetricText

FieldsOf = Mapping[str, Any]
ANY = ""
"""As the usual name of a class whose label says what its fields are."""
TRUTHS = {"boxes": "in a box of the object", "mask": "on the object's mask"}


WEAK_LOCALISATION = MetricText(
    "Localisation error",
    "A saliency is cut at a threshold (a share of its maximum, of its mean, or of its energy) "
    "and one box is drawn round what stays; the image is an error where the box overlaps no "
    "box of its object by more than half (intersection over union; Fong and Vedaldi, 2017). "
    "Each method's threshold is chosen on a held-out quarter of the images, which is not "
    "evaluated.",
    decimals=1,
    factor=100.0,
    unit="%",
)


def metric_text(name: str, fields: FieldsOf) -> MetricText:
    """Return what is known of a metric; of an unknown one, its name and what its class says.

    Args:
        name: what the benchmark calls it; told beside the usual name where it is another.
        fields: its description in the run folder.
    """
    known = None if "module" in fields else _KNOWN.get(str(fields.get("class")))
    if known is None:
        return MetricText(names.plain(name), str(fields.get("about", "")))
    usual, write = known
    text = write(fields)
    return text if usual in {name, ANY} else replace(text, label=f"{text.label}, {name}")


def _deletion(fields: FieldsOf) -> MetricText:
    colour = COLOURS.get(str(fields.get("fill")), str(fields.get("fill")))
    return MetricText(
        "Deletion AUC",
        f"Pixels are replaced by {colour}, the most salient first, in {_steps(fields)}; the score "
        "is the area under the target class's softmax probability against the share of pixels "
        "gone (Petsiuk et al., 2018).",
        curve_x="Pixels removed",
        curve_y="Probability of the class",
        falls=True,
    )


def _insertion(fields: FieldsOf) -> MetricText:
    colour = COLOURS.get(str(fields.get("fill")), str(fields.get("fill")))
    return MetricText(
        "Insertion AUC",
        f"As deletion, the other way round: pixels come back to an image of {colour}, the most "
        f"salient first, in {_steps(fields)} (Petsiuk et al., 2018).",
        curve_x="Pixels inserted",
        curve_y="Probability of the class",
    )


def _perturbation_curve(fields: FieldsOf) -> MetricText:
    return MetricText(label_of(fields), definition_of(fields), **axes_of(fields))


def _idsds(fields: FieldsOf) -> MetricText:
    return MetricText("IDSDS", idsds_definition(fields))


def _f_fidelity(fields: FieldsOf) -> MetricText:
    return MetricText(
        "F-Fidelity",
        f_fidelity_definition(fields),
        curve_x="Pixels of which some are removed",
        curve_y="Difference, FFid+ less FFid\u2212",
        from_zero=False,
        points=fractions_of(fields),
    )


def _pointing_game(fields: FieldsOf) -> MetricText:
    return MetricText(
        "Pointing game",
        f"Share of images whose most salient pixel lies {_truth(fields)} (Zhang et al., 2018).",
    )


def _energy_in_box(fields: FieldsOf) -> MetricText:
    place = "the box" if fields.get("truth", "boxes") == "boxes" else "the mask"
    return MetricText(
        f"Energy in {place}",
        f"Share of the positive saliency that lies {_truth(fields)} (Wang et al., 2020).",
    )


def _relevance_rank(fields: FieldsOf) -> MetricText:
    return MetricText(
        "Relevance rank accuracy",
        f"Of as many most salient pixels as the object has, the share {_truth(fields)} (Arras et "
        "al., 2022).",
    )


def _roc_auc(fields: FieldsOf) -> MetricText:
    return MetricText(
        "ROC AUC",
        f"Chance that a pixel {_truth(fields)} is more salient than one that is not; equal ones "
        "count half.",
    )


def _mask_iou(fields: FieldsOf) -> MetricText:
    return MetricText(
        "Mask IoU",
        "Intersection over union of the pixels above a share of the largest saliency with those "
        f"{_truth(fields)}. Each method's share is chosen on a held-out quarter of the images, "
        "which is not evaluated.",
    )


def _efficiency(fields: FieldsOf) -> MetricText:
    return MetricText(
        "Seconds per explanation",
        "Wall time of one method alone: model passes and all else it needs, after a warm-up, the "
        "device synchronised; for one image at a time, and for a batch divided by its number of "
        f"images. Timed on the first {names.count(int(fields.get('images', 1)), 'image')}.",
        decimals=None,
        unit="s",
    )


def _steps(fields: FieldsOf) -> str:
    return names.count(int(fields.get("steps", 1)), "equal step")


def _truth(fields: FieldsOf) -> str:
    return TRUTHS.get(str(fields.get("truth", "boxes")), "on the object")


_KNOWN: Mapping[str, tuple[str, Callable[[FieldsOf], MetricText]]] = {
    "Deletion": ("deletion", _deletion),
    "Insertion": ("insertion", _insertion),
    "PerturbationCurve": (ANY, _perturbation_curve),
    "IDSDS": ("idsds", _idsds),
    "FFidelity": ("f_fidelity", _f_fidelity),
    "WeakLocalisation": ("weak_localisation", lambda _: WEAK_LOCALISATION),
    "PointingGame": ("pointing_game", _pointing_game),
    "EnergyInBox": ("energy_in_box", _energy_in_box),
    "RelevanceRankAccuracy": ("relevance_rank", _relevance_rank),
    "ROCAUC": ("roc_auc", _roc_auc),
    "MaskIoU": ("mask_iou", _mask_iou),
    "Efficiency": ("efficiency", _efficiency),
    **{name: (ANY, write) for name, write in JUDGING.items()},
}
"""By class: the usual name, and what makes the text."""
