"""The images that models are trained on: decoded once, kept with 8 bits a channel."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from swag.classifier import Classifier
from swag.rng import generator

from ..cores import num_cores
from ..data import Dataset
from ..errors import ImageError, UserError
from .process_group import ALONE, ProcessGroup
from .recipe import Fit
from .train_config import Augmentation


@dataclass(frozen=True)
class Images:
    """The labelled images of a data set.

    They are numpy arrays, which Ray's workers on one machine read from common memory.
    """

    image_ids: tuple[str, ...]
    image_NCHW: np.ndarray
    """uint8."""
    label_N: np.ndarray
    num_bad: int
    """Left out because they cannot be decoded."""

    @classmethod
    def of(cls, dataset: Dataset) -> Images:
        """Decode a data set, several images at a time.

        Raises:
            UserError: an image has no label, or none can be decoded.
        """

        def load(image_id: str) -> tuple[str, np.ndarray, int] | None:
            try:
                sample = dataset.load(image_id)
            except ImageError:
                return None
            if sample.label is None:
                raise UserError(
                    f"image {image_id!r} has no label, and training needs labels; give each class "
                    "a sub-folder"
                )
            pixels_CHW = (sample.image_CHW * 255).round().to(torch.uint8)
            return image_id, pixels_CHW.numpy(), sample.label

        with ThreadPoolExecutor(num_cores(), thread_name_prefix="decoder") as pool:
            found = [item for item in pool.map(load, dataset.image_ids) if item is not None]
        if not found:
            raise UserError(f"none of {len(dataset.image_ids)} images can be decoded")
        ids, images, labels = zip(*found, strict=True)
        return cls(ids, np.stack(images), np.array(labels), len(dataset.image_ids) - len(found))

    def take(self, position_B: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return copies of images_BCHW, uint8, and of label_B."""
        return (
            torch.from_numpy(self.image_NCHW[position_B]),
            torch.from_numpy(self.label_N[position_B]),
        )

    def batches(
        self, recipe: Fit, epoch: int, augmentation: Augmentation, group: ProcessGroup = ALONE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's share of an epoch's images_BCHW in [0, 1] and label_B.

        Seed and epoch decide order and augmentation. Each image comes once, but for a last batch
        that would be incomplete.
        """
        rng = generator(recipe.seed, str(epoch), "training_order")
        for position_B in shuffled(np.arange(len(self.label_N)), recipe.batch_size, rng):
            size = len(position_B)
            mine = group.share(size)
            image_BCHW, label_B = self.take(position_B[mine])
            image_BCHW = image_BCHW.float() / 255
            if augmentation.flip:
                image_BCHW = flipped(image_BCHW, drawn(size, rng)[mine])
            if augmentation.colours:
                channel_BC = torch.from_numpy(rng.random((size, 3)).argsort(1))[mine]
                image_BCHW = image_BCHW[torch.arange(len(channel_BC))[:, None], channel_BC]
                image_BCHW = torch.where(drawn(size, rng)[mine], 1 - image_BCHW, image_BCHW)
            yield image_BCHW, label_B

    def accuracy(self, classifier: Classifier, group: ProcessGroup = ALONE) -> float:
        """Return the share of images whose most probable class is their label.

        Every process of the group counts a part of the images and returns the whole's share.
        """
        correct = torch.zeros((), dtype=torch.int64, device=classifier.device)
        mine = group.share(len(self.label_N))
        size = classifier.batch_size
        for start in range(mine.start, mine.stop, size):
            image_BCHW, label_B = self.take(np.arange(start, min(start + size, mine.stop)))
            x_BCHW = classifier.prepared(image_BCHW.to(classifier.device).float() / 255)
            probability_BK = classifier.probabilities(x_BCHW)
            correct += (probability_BK.argmax(1) == label_B.to(classifier.device)).sum()
        return int(group.sum(correct)) / len(self.label_N)


def shuffled(
    position_N: np.ndarray, batch_size: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield an epoch's batches of positions, all full: what would be an incomplete one is left out.

    The order is drawn first, before anything that a batch draws.
    """
    order_N = rng.permutation(position_N)
    size = min(batch_size, len(order_N))
    for first in range(0, len(order_N) - size + 1, size):
        yield order_N[first : first + size]


def drawn(count: int, rng: np.random.Generator) -> Tensor:
    """Return which of `count` images something is done to, each with chance 1/2: bool (B,1,1,1)."""
    return torch.from_numpy(rng.random((count, 1, 1, 1)) < 0.5)


def flipped(image_BCHW: Tensor, chosen_B111: Tensor) -> Tensor:
    """Return the images, the chosen ones mirrored left to right."""
    return torch.where(chosen_B111.to(image_BCHW.device), image_BCHW.flip(3), image_BCHW)
