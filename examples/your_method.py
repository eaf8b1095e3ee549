"""A method and a metric of your own, as functions, beside a method of another library."""

import torch

import swagflow


def my_method(model, images, targets):
    """Gradient times input. Images are normalised; return one map of (H, W) for each."""
    images.requires_grad_()
    model(images).gather(1, targets[:, None]).sum().backward()
    return (images.grad * images).sum(1).detach()


def sparseness(model, images, targets, maps):
    """The share of a map that its largest tenth of pixels holds; return a value for each image."""
    magnitude = maps.abs().flatten(1).sort(descending=True).values
    tenth = magnitude[:, : magnitude.shape[1] // 10]
    return tenth.sum(1) / magnitude.sum(1).clamp(min=1e-12)


results = swagflow.evaluate(
    "tiny_resnet",
    "digit_scenes",  # generated: photographs with a handwritten digit in each
    images=16,
    explainers={
        "mine": my_method,
        "theirs": {"type": "captum:Occlusion", "parameters": {"strides": [3, 16, 16]}},
        "swag_ig": "swag_ig",
    },
    metrics={"deletion": "deletion", "sparseness": sparseness, "pointing_game": "pointing_game"},
)
print(results.table()[["metric", "explainer", "mean", "ci_low", "ci_high", "n"]])
print(torch.tensor(results.maps("mine")["validation/000000"]).shape)
