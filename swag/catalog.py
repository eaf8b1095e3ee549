"""What there is: names of explainers and metrics, each with its default instance.

An explainer's or metric's fields are its configuration, so another setting is
`dataclasses.replace(EXPLAINERS["swag"], ...)`. Packages add their own by the entry points
`swagflow.explainers` and `swagflow.metrics`, anybody by a `module:attribute` name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar, cast

from swag.explainers.cam import GradCAM, GradCAMPlusPlus
from swag.explainers.controls import Centre, Noise, Random, Sobel
from swag.explainers.gradient import GuidedBackprop, VanillaGradient
from swag.explainers.lime import LIME
from swag.explainers.rise import RISE
from swag.explainers.swag import SWAG
from swag.explainers.xrai import XRAI
from swag.metrics.deletion import Deletion
from swag.metrics.insertion import Insertion
from swag.metrics.localisation import EnergyInBox, PointingGame, WeakLocalisation
from swag.superpixels import SLIC, Quickshift
from swag.types import Explainer, Metric

T = TypeVar("T")

IMAGE = SLIC(features="image", colour_weight=10.0)
IMAGE_GRADIENT = SLIC(features="image_gradient", colour_weight=20.0, gradient_weight=8.0)
GRADIENT = SLIC(features="gradient", gradient_weight=8.0)

EXPLAINERS: dict[str, Explainer] = {
    "random": Random(),
    "centre": Centre(),
    "noise": Noise(),
    "sobel": Sobel(),
    "grad_cam": GradCAM(),
    "grad_cam_pp": GradCAMPlusPlus(),
    "lime": LIME(superpixels=Quickshift()),
    "lime_i": LIME(superpixels=replace(IMAGE, num_segments=50)),
    "lime_ig": LIME(superpixels=replace(IMAGE_GRADIENT, num_segments=50)),
    "lime_g": LIME(superpixels=replace(GRADIENT, num_segments=50)),
    "rise": RISE(),
    "xrai": XRAI(),
    "swag": SWAG(superpixels=IMAGE),
    "swag_ig": SWAG(superpixels=IMAGE_GRADIENT),
    "swag_g": SWAG(superpixels=GRADIENT),
    "swag_vanilla": SWAG(superpixels=IMAGE, weights="gradient"),
    "swag_noise": SWAG(superpixels=IMAGE, weights="noise"),
    "swag_sobel": SWAG(superpixels=IMAGE, weights="sobel"),
    "guided_backprop": GuidedBackprop(),
    "vanilla_gradient": VanillaGradient(),
}

METRICS: dict[str, Metric] = {
    "deletion": Deletion(),
    "insertion": Insertion(),
    "weak_localisation": WeakLocalisation(),
    "pointing_game": PointingGame(),
    "energy_in_box": EnergyInBox(),
}


def lookup(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return what `name` stands for: a row of `table`, an entry point or a `module:attribute`.

    Raises:
        ValueError: there is no such thing; the message names the nearest ones.
    """
    if name in table:
        return table[name]
    for entry in entry_points(group=f"swagflow.{kind}s"):
        if entry.name == name:
            return cast(T, entry.load())
    if ":" in name:
        return cast(T, imported(kind, name))
    raise ValueError(f"{kind} {name!r} is unknown{nearest(name, table)}")


def imported(kind: str, path: str) -> object:
    """Return the attribute that "module:attribute" names, or raise ValueError."""
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{kind} {path!r} cannot be imported: {error}") from error


def nearest(name: str, known: Mapping[str, object]) -> str:
    """Return "; did you mean ...? Known: ..." for an error message."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else "."
    return f"{hint} Known: {', '.join(sorted(known))}"
