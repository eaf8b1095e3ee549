"""What there is: names of explainers, metrics and their parts, with default instances.

Their fields are their configuration, so another setting is
`dataclasses.replace(EXPLAINERS["swag"], ...)`. Packages add their own by the entry points
`swagflow.explainers`, `swagflow.metrics` (for both tables of metrics), `swagflow.segmenters`,
`swagflow.fillings` and `swagflow.backgrounds`, anybody by a `module:attribute` name.
"""

from __future__ import annotations

from dataclasses import replace

from swag.backgrounds import Background, Pictures, RandomColours
from swag.curves.fillings import (
    Black,
    Blur,
    ImageMean,
    MeanColour,
    NoisyLinear,
    UniformNoise,
    White,
)
from swag.explainers import (
    HSIC,
    LIME,
    RISE,
    SWAG,
    XRAI,
    AttentionRollout,
    Centre,
    GenericAttention,
    GradCAM,
    GradCAMPlusPlus,
    GradientSHAP,
    GuidedBackprop,
    GuidedGradCAM,
    HiResCAM,
    InputXGradient,
    IntegratedGradients,
    KernelSHAP,
    LayerCAM,
    LeGrad,
    Noise,
    Occlusion,
    Pooled,
    Random,
    ScoreCAM,
    SmoothGrad,
    Sobel,
    VanillaGradient,
    XGradCAM,
)
from swag.metrics import (
    IDSDS,
    ROCAUC,
    Completeness,
    Complexity,
    Deletion,
    Efficiency,
    EfficientRandomisation,
    EnergyInBox,
    Equivariance,
    FFidelity,
    Infidelity,
    Insertion,
    MaskIoU,
    ParameterRandomisation,
    PerturbationCurve,
    PointingGame,
    RandomLogit,
    RelativeStability,
    RelevanceRankAccuracy,
    Sensitivity,
    SensitivityN,
    Sparseness,
    WeakLocalisation,
)
from swag.protocols import Explainer, ExplainerMetric, Filling, Metric, Segmenter
from swag.superpixels import SLIC, Felzenszwalb, Pixel, Quickshift, Squares

IMAGE = SLIC(features="image", colour_weight=10.0)
IMAGE_GRADIENT = SLIC(features="image_gradient", colour_weight=20.0, gradient_weight=8.0)
GRADIENT = SLIC(features="gradient", gradient_weight=8.0)

ROAD = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
"""Shares of pixels at which ROAD's authors score."""

EXPLAINERS: dict[str, Explainer] = {
    "random": Random(),
    "centre": Centre(),
    "noise": Noise(),
    "sobel": Sobel(),
    "grad_cam": GradCAM(),
    "grad_cam_pp": GradCAMPlusPlus(),
    "xgrad_cam": XGradCAM(),
    "hires_cam": HiResCAM(),
    "layer_cam": LayerCAM(),
    "score_cam": ScoreCAM(),
    "lime": LIME(superpixels=Quickshift()),
    "lime_i": LIME(superpixels=replace(IMAGE, num_segments=50)),
    "lime_ig": LIME(superpixels=replace(IMAGE_GRADIENT, num_segments=50)),
    "lime_g": LIME(superpixels=replace(GRADIENT, num_segments=50)),
    "kernel_shap": KernelSHAP(superpixels=replace(IMAGE, num_segments=50)),
    "occlusion": Occlusion(),
    "rise": RISE(),
    "hsic": HSIC(),
    "xrai": XRAI(),
    "swag": SWAG(superpixels=IMAGE),
    "swag_ig": SWAG(superpixels=IMAGE_GRADIENT),
    "swag_g": SWAG(superpixels=GRADIENT),
    "swag_ig_gradient": SWAG(
        superpixels=replace(IMAGE_GRADIENT, gradient="gradient"), weights="gradient"
    ),
    "swag_ig_integrated": SWAG(
        superpixels=replace(IMAGE_GRADIENT, gradient="integrated_gradient"),
        weights="integrated_gradient",
    ),
    "swag_ig_smooth": SWAG(
        superpixels=replace(IMAGE_GRADIENT, gradient="smooth_gradient"), weights="smooth_gradient"
    ),
    "swag_vanilla": SWAG(superpixels=IMAGE, weights="gradient"),
    "swag_noise": SWAG(superpixels=IMAGE, weights="noise"),
    "swag_sobel": SWAG(superpixels=IMAGE, weights="sobel"),
    "pooled": Pooled(superpixels=IMAGE),
    "attention_rollout": AttentionRollout(),
    "generic_attention": GenericAttention(),
    "legrad": LeGrad(),
    "guided_backprop": GuidedBackprop(),
    "guided_grad_cam": GuidedGradCAM(),
    "vanilla_gradient": VanillaGradient(),
    "input_x_gradient": InputXGradient(),
    "smooth_grad": SmoothGrad(),
    "smooth_grad_squared": SmoothGrad(statistic="square"),
    "var_grad": SmoothGrad(statistic="variance"),
    "integrated_gradients": IntegratedGradients(),
    "gradient_shap": GradientSHAP(),
}

METRICS: dict[str, Metric] = {
    "deletion": Deletion(),
    "insertion": Insertion(),
    "insertion_blur": PerturbationCurve(action="insert", fill=Blur(), steps=224),
    "morf": PerturbationCurve(unit=Squares()),
    "lerf": PerturbationCurve(unit=Squares(), order="least_relevant_first"),
    "abpc": PerturbationCurve(unit=Squares(), order="difference"),
    "irof": PerturbationCurve(unit=IMAGE, fill=ImageMean(), score="relative", area="over"),
    "road": PerturbationCurve(fill=NoisyLinear(), score="correct", fractions=ROAD),
    "road_lerf": PerturbationCurve(
        fill=NoisyLinear(), score="correct", fractions=ROAD, order="least_relevant_first"
    ),
    "idsds": IDSDS(),
    "f_fidelity": FFidelity(),
    "weak_localisation": WeakLocalisation(),
    "pointing_game": PointingGame(),
    "energy_in_box": EnergyInBox(),
    "relevance_rank": RelevanceRankAccuracy(),
    "roc_auc": ROCAUC(),
    "mask_iou": MaskIoU(),
    "max_sensitivity": Sensitivity(),
    "avg_sensitivity": Sensitivity(statistic="mean"),
    "relative_input_stability": RelativeStability(),
    "relative_output_stability": RelativeStability(against="output"),
    "flip_equivariance": Equivariance(),
    "shift_equivariance": Equivariance(transform="shift"),
    "parameter_randomisation": ParameterRandomisation(),
    "independent_randomisation": ParameterRandomisation(order="independent"),
    "efficient_randomisation": EfficientRandomisation(),
    "random_logit": RandomLogit(),
    "sparseness": Sparseness(),
    "complexity": Complexity(),
    "infidelity": Infidelity(),
    "sensitivity_n": SensitivityN(),
    "completeness": Completeness(),
}

EXPLAINER_METRICS: dict[str, ExplainerMetric] = {"efficiency": Efficiency()}
"""Those that judge the explainer itself; a configuration has them among its metrics."""

SEGMENTERS: dict[str, Segmenter] = {
    "slic": SLIC(),
    "quickshift": Quickshift(),
    "felzenszwalb": Felzenszwalb(),
    "squares": Squares(),
    "pixel": Pixel(),
}
"""What `superpixels` of an explainer and `unit` of a curve may be."""

FILLINGS: dict[str, Filling] = {
    "mean": MeanColour(),
    "black": Black(),
    "white": White(),
    "image_mean": ImageMean(),
    "blur": Blur(),
    "uniform": UniformNoise(),
    "linear": NoisyLinear(),
}
"""What `fill` of a curve may be."""

BACKGROUNDS: dict[str, Background] = {"random_colours": RandomColours(), "pictures": Pictures()}
"""What `background` of gradient SHAP may be; pictures need a folder."""
