"""Which method explains a model where nobody chose one."""

from __future__ import annotations

from torch import Tensor

from swag.backward import has_relu, recording
from swag.classifier import Classifier

WITH_RELU, WITHOUT_RELU = "swag_ig", "swag_ig_gradient"


def default_method(classifier: Classifier, image_BCHW: Tensor) -> str:
    """Return the name of the method: the paper's, or the same on plain gradients.

    Guided backpropagation is a rule for ReLUs; a model that calls none (ConvNeXt, EfficientNet,
    transformers) has no guided gradient.

    Args:
        image_BCHW: images in [0, 1]; the first is looked at by one forward pass.
    """
    with recording():
        x_1CHW = classifier.prepared(image_BCHW[:1].detach()).clone().requires_grad_()
        logit_1K = classifier.logits(x_1CHW.clone())
        return WITH_RELU if has_relu(logit_1K) else WITHOUT_RELU
