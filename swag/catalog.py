"""What there is: names of explainers and metrics, each with its default instance.

An explainer's or metric's fields are its configuration, so another setting is
`dataclasses.replace(EXPLAINERS["swag"], ...)`. Packages add their own by the entry points
`swagflow.explainers` and `swagflow.metrics`, anybody by a `module:attribute` name.
"""

from __future__ import annotations

from dataclasses import replace

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
from swag.protocols import Explainer, Metric
from swag.superpixels.segmenters import SLIC, Quickshift

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
