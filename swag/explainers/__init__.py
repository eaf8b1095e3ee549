"""Explainers: each is a frozen dataclass that turns `Signals` into saliency_BHW, one family a file.

swag.py       SWAG, the method of the paper, and any pixel method over any superpixels
cam.py        Grad-CAM and its kin, from a layer's output and gradient
gradient.py   guided backpropagation, gradients, and those of noisy copies
paths.py      integrated gradients and gradient SHAP
lime.py       LIME
kernel_shap.py  Shapley values of superpixels
rise.py       RISE
hiding.py     occlusion by a window that slides, and HSIC on the cells of a grid
xrai.py       XRAI; regions.py makes and ranks its regions
attention.py  attention rollout and its class-specific kin, for transformers
controls.py   saliencies that know nothing of the model
"""

from swag.explainers.attention import AttentionRollout, GenericAttention, LeGrad
from swag.explainers.cam import (
    GradCAM,
    GradCAMPlusPlus,
    GuidedGradCAM,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from swag.explainers.controls import Centre, Noise, Random, Sobel
from swag.explainers.gradient import GuidedBackprop, InputXGradient, SmoothGrad, VanillaGradient
from swag.explainers.hiding import HSIC, Occlusion
from swag.explainers.kernel_shap import KernelSHAP
from swag.explainers.lime import LIME
from swag.explainers.paths import GradientSHAP, IntegratedGradients
from swag.explainers.rise import RISE
from swag.explainers.swag import SWAG, Pooled
from swag.explainers.xrai import XRAI

__all__ = [
    "HSIC",
    "LIME",
    "RISE",
    "SWAG",
    "XRAI",
    "AttentionRollout",
    "Centre",
    "GenericAttention",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientSHAP",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "LeGrad",
    "Noise",
    "Occlusion",
    "Pooled",
    "Random",
    "ScoreCAM",
    "SmoothGrad",
    "Sobel",
    "VanillaGradient",
    "XGradCAM",
]
