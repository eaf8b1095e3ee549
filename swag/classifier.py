"""A CNN made ready to be explained: evaluation mode, frozen weights, normalisation inside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor, nn

from swag.channels import with_channels
from swag.forwards import CopyPasses, Quickest, arranged, full_pass, quickest
from swag.layers import last_layer
from swag.outputs import Output, check_outputs, logits_of, scores_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Classifier:
    """An image classifier and what the explainers must know of it.

    Args:
        model: maps normalised images_BCHW to outputs_BK, or to what `swag.outputs.tensor_of` finds
            them in. It must be in evaluation mode; `frozen` puts a model there for a while,
            `swag.models.load_classifier` for good.
        mean, std: per channel, of images in [0, 1]; normalised images are (image - mean) / std.
        cam_layer: dotted name of the module whose output Grad-CAM weights, see `swag.layers`; None:
            the last one whose output is a map of more than one cell, found by one forward pass.
        batch_size: how many images one pass may hold; memory grows with it, results do not change
            beyond rounding.
        image_size: height and width of the only images that the model takes; None: of any size.
        output: how a class's score comes from the outputs, see `swag.outputs.Output`.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of the model
        self,
        model: nn.Module,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        cam_layer: str | None = None,
        batch_size: int = 32,
        image_size: tuple[int, int] | None = None,
        output: Output = "softmax",
    ) -> None:
        if output not in get_args(Output):
            known = ", ".join(get_args(Output))
            raise ValueError(f"output {output!r} is unknown; choose one of {known}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if any(module.training for module in model.modules()):
            raise ValueError("the model is in training mode; call model.eval() first")
        tensor = next(model.parameters(), torch.zeros(()))
        self.model = model
        self.device = tensor.device
        self.batch_size = batch_size
        self.cam_layer = cam_layer
        self.image_size = image_size
        self.output = output
        self.copies = CopyPasses()
        """How `copies_logits` goes through the model; set it before the first pass of copies."""
        self._copies_model: nn.Module | None = None
        self.tell: Callable[[int], None] | None = None
        """Is told after each forward pass how many images it had; see `swag.progress`."""
        if len(mean) != len(std) or not len(mean):
            raise ValueError(
                f"mean and std must have a number for each channel, got {len(mean)} and {len(std)}"
            )
        self._is_checked = False
        self.mean_1C11 = torch.tensor(mean, dtype=torch.float32, device=self.device).view(
            1, -1, 1, 1
        )
        self.std_1C11 = torch.tensor(std, dtype=torch.float32, device=self.device).view(1, -1, 1, 1)
        self._blank_logit: dict[tuple[int, ...], Tensor] = {}

    def with_model(self, model: nn.Module) -> Classifier:
        """Return all the same for a copy of the model with other weights, on the same device."""
        other = copy.copy(self)
        other.model = model
        other._blank_logit = {}
        other._copies_model = None
        return other

    @property
    def num_channels(self) -> int:
        """Of the images that it takes."""
        return self.mean_1C11.shape[1]

    @property
    def backward_batch_size(self) -> int:
        """Images per pass that keeps its graph; such a pass takes over twice the memory."""
        return max(1, self.batch_size // 2)

    def normalise(self, image_BCHW: Tensor) -> Tensor:
        require_size(self.image_size, image_BCHW.shape[-2:])
        return self.normalised_colour(image_BCHW)

    def normalised_colour(self, colour_BC11: Tensor | float) -> Tensor:
        """Return what a colour is in normalised images, of whatever size the model takes."""
        return (colour_BC11 - self.mean_1C11) / self.std_1C11

    def prepared(self, image_BCHW: Tensor) -> Tensor:
        """Return images of a data set normalised, on the model's device, in the model's channels.

        Raises:
            ValueError: there is no way from the images' channels to the model's.
        """
        image_BCHW = with_channels(image_BCHW.to(self.device), self.num_channels)
        return self.normalise(image_BCHW)

    def logits(self, normalised_BCHW: Tensor) -> Tensor:
        """Return logit_BK of one pass, whose gradients explainers take; see `logits_of`.

        A model whose first layer works in place overwrites the images.

        Raises:
            ValueError: the model's outputs are not what `output` takes them for.
        """
        logit_BK = logits_of(self.model(normalised_BCHW), self.output)
        if not self._is_checked:
            check_outputs(logit_BK.detach(), self.output)
            self._is_checked = True
        self._passed(len(logit_BK))
        return logit_BK

    def _passed(self, count: int) -> None:
        if self.tell is not None:
            self.tell(count)

    @torch.no_grad()
    def all_logits(self, normalised_NCHW: Tensor) -> Tensor:
        """Return `logits` of any number of images, `batch_size` of them per pass."""
        chunks = torch.split(normalised_NCHW, self.batch_size)
        return torch.cat([self.logits(chunk) for chunk in chunks])

    @torch.no_grad()
    def copies_logits(self, normalised_NCHW: Tensor) -> Tensor:
        """Return `all_logits` of perturbed copies, by the way through the model that `copies` says.

        Other than "eager", it is of the weights that the model has when it is first taken. Then
        "fastest" is measured, and `copies` says from there on what it is.
        """
        if self._copies_model is None:
            self._copies_model = self._arranged(normalised_NCHW[: self.batch_size])
        chunks = torch.split(normalised_NCHW, self.batch_size)
        outputs = []
        with self.copies.numbers(self.device):
            for chunk in chunks:
                outputs.append(self._copies_model(chunk))
                self._passed(len(chunk))
        return torch.cat([logits_of(found, self.output).float() for found in outputs])

    def _arranged(self, normalised_NCHW: Tensor) -> nn.Module:
        forward = self.copies.forward
        if forward == "fastest":
            found = self.quickest_copies(normalised_NCHW)
            self.copies = replace(self.copies, forward=found.forward)
            return found.model
        if forward == "compiled":  # for full passes, however few images are the first
            normalised_NCHW = full_pass(normalised_NCHW, self.batch_size)
        return arranged(self.model, forward, normalised_NCHW, self.output)

    def quickest_copies(self, normalised_NCHW: Tensor) -> Quickest:
        """Return the quickest way through the model for full passes, of images such as these."""
        x_NCHW = full_pass(normalised_NCHW, self.batch_size)
        return quickest(self.model, self.copies, x_NCHW, self.output)

    def scores(self, logit_BK: Tensor) -> Tensor:
        """Return the score of each class: a probability, but where `output` is "logit"."""
        return scores_of(logit_BK, self.output)

    @torch.no_grad()
    def probabilities(self, normalised_NCHW: Tensor) -> Tensor:
        """Return score_NK of normalised images, `batch_size` of them per pass."""
        return self.scores(self.all_logits(normalised_NCHW))

    def constant_logit_K(self, normalised_CHW: Tensor) -> Tensor:
        """Return the logits of an image of one colour; each is computed once per model."""
        values = normalised_CHW[:, 0, 0].tolist()
        key = (*normalised_CHW.shape, *values)
        if key not in self._blank_logit:
            self._blank_logit[key] = self.all_logits(normalised_CHW[None].clone())[0]
        return self._blank_logit[key]

    def layer(self, image_1CHW: Tensor) -> tuple[str, nn.Module]:
        """Return name and module of Grad-CAM's layer.

        Raises:
            ValueError: the model has no such module, or no module with a spatial output.
        """
        modules = dict(self.model.named_modules())
        if self.cam_layer is None:
            self.cam_layer = last_layer(self.model, self.normalise(image_1CHW))
        if self.cam_layer not in modules:
            last = ", ".join([name for name in modules if name][-5:])
            raise ValueError(
                f"the model has no layer {self.cam_layer!r} for Grad-CAM; its last ones are {last}"
            )
        return self.cam_layer, modules[self.cam_layer]


def require_size(wanted: tuple[int, int] | None, got: Sequence[int]) -> None:
    """Raise ValueError where a model takes images of one height and width only, and has others."""
    if wanted not in {None, tuple(got)}:
        raise ValueError(
            f"the model takes images of {wanted[0]}x{wanted[1]} pixels only, got {got[0]}x{got[1]};"
            " give the data set this `size`, or take another model"
        )


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """Put a model in evaluation mode inside the block and give each module its mode back after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, mode in modes:
            module.training = mode
