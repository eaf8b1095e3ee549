"""What a perturbation curve means, in words that follow from its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import names

FieldsOf = Mapping[str, Any]
COLOURS = {"mean": "the data set's mean colour", "black": "black"}

_SHORT = {
    ("remove", "most_relevant_first"): "MoRF",
    ("remove", "least_relevant_first"): "LeRF",
    ("remove", "difference"): "LeRF less MoRF",
    ("insert", "most_relevant_first"): "Insertion",
    ("insert", "least_relevant_first"): "Insertion, least first",
    ("insert", "difference"): "Insertion, most less least first",
}
_FILLS = {
    "MeanColour": ("mean colour", "the data set's mean colour"),
    "Black": ("black", "black"),
    "White": ("white", "white"),
    "ImageMean": ("image mean", "the image's own mean colour"),
    "UniformNoise": ("noise", "uniform noise"),
    "NoisyLinear": ("imputed", "what is around them (noisy linear imputation, Rong et al., 2022)"),
}
_ORDERS = {
    "most_relevant_first": "the most salient first",
    "least_relevant_first": "the least salient first",
    "difference": "once the most and once the least salient first",
}
_READ = {
    "probability": ("probability of the class", ""),
    "logit": ("logit of the class", "logit"),
    "correct": ("share of images still given the class", "accuracy"),
    "relative": ("probability of the class, of the whole image's", "relative"),
}


def label_of(fields: FieldsOf) -> str:
    """Return a name that tells one curve from another."""
    short = _SHORT.get((str(fields.get("action")), str(fields.get("order"))), "Curve")
    about = [_units(fields)[0], _fill(fields)[0], _read(fields)[1]]
    area = "AUC" if fields.get("area") == "under" else "AOC"
    return f"{short} {area} ({', '.join(part for part in about if part)})"


def definition_of(fields: FieldsOf) -> str:
    """Return what is computed, in two or three sentences."""
    units, fill = _units(fields)[1], _fill(fields)[1]
    order = _ORDERS.get(str(fields.get("order")), str(fields.get("order")))
    if fields.get("action") == "insert":
        done = f"{units} come back where there was {fill}, {order}"
    else:
        done = f"{units} are replaced by {fill}, {order}"
    what = "area over" if fields.get("area") == "over" else "area under"
    if fields.get("order") == "difference":
        what = "area between the two curves of"
    shares = fields.get("fractions")
    steps = names.count(int(fields.get("steps") or 28), "step")
    places = f"at {', '.join(f'{share:.0%}' for share in shares)}" if shares else f"in {steps}"
    sentence = f"{done}, {places}; the score is the {what} the {_read(fields)[0]}."
    return sentence[:1].upper() + sentence[1:]


def axes_of(fields: FieldsOf) -> dict[str, Any]:
    """Return what a `MetricText` says of the figure of curves."""
    units = "Pixels" if _class(fields.get("unit")) == "Pixel" else "Units"
    read = _read(fields)[0]
    high = (fields.get("order") == "least_relevant_first") == (fields.get("action") == "remove")
    difference = fields.get("order") == "difference"
    return {
        "curve_x": f"{units} {'inserted' if fields.get('action') == 'insert' else 'removed'}",
        "curve_y": f"{'Difference in ' + read if difference else read[:1].upper() + read[1:]}",
        "falls": not high and not difference,
        "from_zero": not difference and fields.get("score") != "logit",
        "points": tuple(fields.get("fractions") or ()),
    }


def _units(fields: FieldsOf) -> tuple[str, str]:
    unit = fields.get("unit") or {}
    kind = _class(unit)
    if kind == "Squares":
        return f"{unit.get('side')} px squares", f"squares of {unit.get('side')} pixels"
    if kind == "SLIC":
        return "superpixels", f"superpixels (SLIC, about {unit.get('num_segments')})"
    return ("pixels", "pixels") if kind == "Pixel" else (kind, f"units of {kind}")


def _fill(fields: FieldsOf) -> tuple[str, str]:
    fill = fields.get("fill") or {}
    kind = _class(fill)
    if kind == "Blur":
        return "blur", f"the blurred image (sigma {fill.get('sigma'):g})"
    return _FILLS.get(kind, (kind, kind))


def _read(fields: FieldsOf) -> tuple[str, str]:
    return _READ.get(str(fields.get("score")), (str(fields.get("score")), ""))


def _class(described: Any) -> str:
    """Return the class of a part; of another package's, with no more said about it."""
    return str((described or {}).get("class", "?"))
