"""What there is: names of explainers, metrics and segmenters, each with its default instance.

Their fields are their configuration, so another setting is
`dataclasses.replace(EXPLAINERS["swag"], ...)`. Packages add their own by the entry points
`swagflow.explainers`, `swagflow.metrics` (for both tables of metrics) and `swagflow.segmenters`,
anybody by a `module:attribute` name.
"""

from __future__ import annotations

from dataclasses import replace

from swag.explainers import (
    LIME,
    RISE,
    SWAG,
    XRAI,
    Centre,
    GradCAM,
    GradCAMPlusPlus,
    GuidedBackprop,
    Noise,
    Random,
    Sobel,
    VanillaGradient,
)
from swag.metrics import (
    Deletion,
    Efficiency,
    EnergyInBox,
    Insertion,
    PointingGame,
    WeakLocalisation,
)
from swag.protocols import Explainer, ExplainerMetric, Metric, Segmenter
from swag.superpixels import SLIC, Quickshift

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

EXPLAINER_METRICS: dict[str, ExplainerMetric] = {"efficiency": Efficiency()}
"""Those that judge the explainer itself; a configuration has them among its metrics."""

SEGMENTERS: dict[str, Segmenter] = {"slic": SLIC(), "quickshift": Quickshift()}
"""What `superpixels` of an explainer may be."""
