"""Explainers: each is a frozen dataclass that turns `Signals` into saliency_BHW, one family a file.

swag.py       SWAG, the method of the paper
cam.py        Grad-CAM and its kin, from a layer's output and gradient
gradient.py   guided backpropagation, gradients, and those of noisy copies
paths.py      integrated gradients
lime.py       LIME
rise.py       RISE
xrai.py       XRAI; regions.py makes and ranks its regions
attention.py  attention rollout and its class-specific kin, for transformers
controls.py   saliencies that know nothing of the model
"""

from swag.explainers.attention import AttentionRollout, GenericAttention
from swag.explainers.cam import (
    GradCAM,
    GradCAMPlusPlus,
    GuidedGradCAM,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from swag.explainers.controls import Centre, Noise, Random, Sobel
from swag.explainers.gradient import GuidedBackprop, InputXGradient, SmoothGrad, VanillaGradient
from swag.explainers.lime import LIME
from swag.explainers.paths import IntegratedGradients
from swag.explainers.rise import RISE
from swag.explainers.swag import SWAG
from swag.explainers.xrai import XRAI

__all__ = [
    "LIME",
    "RISE",
    "SWAG",
    "XRAI",
    "AttentionRollout",
    "Centre",
    "GenericAttention",
    "GradCAM",
    "GradCAMPlusPlus",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "Noise",
    "Random",
    "SmoothGrad",
    "Sobel",
    "VanillaGradient",
    "XGradCAM",
]
