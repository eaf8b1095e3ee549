"""The words of a report: how methods, data sets and metrics are called and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

METHODS = {
    "random": "Random",
    "centre": "Centre",
    "noise": "Noise",
    "sobel": "Sobel",
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "lime": "LIME",
    "lime_i": "LIME I",
    "lime_ig": "LIME I+G",
    "lime_g": "LIME G",
    "rise": "RISE",
    "xrai": "XRAI",
    "swag": "SWAG",
    "swag_ig": "SWAG I+G",
    "swag_g": "SWAG G",
    "swag_vanilla": "SWAG, vanilla gradient",
    "swag_noise": "SWAG, random noise",
    "swag_sobel": "SWAG, Sobel edges",
    "guided_backprop": "Guided backprop",
    "vanilla_gradient": "Vanilla gradient",
}
SUBJECTS = {
    "imagenet": "ImageNet",
    "cub200": "CUB-200-2011",
    "stanford_dogs": "Stanford Dogs",
    "flowers102": "Flowers 102",
    "digit_scenes": "Digit scenes",
    "image_folder": "Image folder",
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "tiny_vgg": "Tiny VGG",
    "tiny_resnet": "Tiny ResNet",
}
KINDS = {
    "control": "Controls, which know nothing of the model",
    "region": "Region methods",
    "pixel": "Pixel methods",
}
THRESHOLDS = {"value": "Value", "mean": "Mean", "energy": "Energy"}
VARIANTS = {
    **THRESHOLDS,
    "divided_by_range": "Divided by range",
    "plain": "Plain",
    "single": "One image at a time",
    "batched": "In batches",
}
FEATURES = {"image": "I", "image_gradient": "I+G", "gradient": "G"}


@dataclass(frozen=True)
class MetricText:
    """How a metric is written about."""

    label: str
    definition: str = ""
    decimals: int | None = 3
    """None: three significant digits."""
    factor: float = 1.0
    """What a stored value is multiplied by to be shown."""
    unit: str = ""


METRICS = {
    "deletion": MetricText(
        "Deletion AUC",
        "Pixels are replaced by the data set's mean colour, the most salient first, in equal "
        "steps; the score is the area under the target class's softmax probability against the "
        "share of pixels gone (Petsiuk et al., 2018).",
    ),
    "insertion": MetricText(
        "Insertion AUC",
        "As deletion, the other way round: pixels come back to an empty image, the most salient "
        "first (Petsiuk et al., 2018).",
    ),
    "roar": MetricText(
        "ROAR AUC",
        "The most salient share of each image's pixels is replaced by the mean colour in training "
        "and validation images and the model is trained anew; the score is the area under its "
        "validation accuracy against that share (Hooker et al., 2019), once divided by the range "
        "of shares and once plain. Each value is one repeat of the training.",
    ),
    "weak_localisation": MetricText(
        "Localisation error",
        "A saliency is cut at a threshold (a share of its maximum, of its mean, or of its energy) "
        "and one box is drawn round what stays; the image is an error where the box overlaps no "
        "box of its object by more than half (intersection over union; Fong and Vedaldi, 2017). "
        "Each method's threshold is chosen on a held-out quarter of the images, which is not "
        "evaluated.",
        decimals=1,
        factor=100.0,
        unit="%",
    ),
    "pointing_game": MetricText(
        "Pointing game",
        "Share of images whose most salient pixel lies on the object (Zhang et al., 2018).",
    ),
    "energy_in_box": MetricText(
        "Energy in the box",
        "Share of the positive saliency that lies on the object (Wang et al., 2020).",
    ),
    "efficiency": MetricText(
        "Seconds per explanation",
        "Wall time of one method alone: model passes and all else it needs, after a "
        "warm-up, the device synchronised; for one image at a time, and for a batch divided by its "
        "number of images.",
        decimals=None,
        unit="s",
    ),
}


def metric_text(metric: str) -> MetricText:
    """Return what is known of a metric; of an unknown one, its name."""
    return METRICS.get(metric, MetricText(plain(metric)))


def method(name: str) -> str:
    """Return how a method is called."""
    return METHODS.get(name, plain(name))


def subject(name: str) -> str:
    """Return how a data set or model is called."""
    return SUBJECTS.get(name, name)


def variant(name: str) -> str:
    """Return how a variant of a metric is called."""
    return VARIANTS.get(name, plain(name))


def plain(name: str) -> str:
    """Return a name of the store as words."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def count(number: int, noun: str) -> str:
    """Return "1 image", "2 images", "1,000 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
