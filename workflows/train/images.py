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

from ..data import Dataset
from ..errors import ImageError, UserError
from ..hardware import num_cores
from .fitting import Fit
from .process_group import ALONE, Group
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
        self, recipe: Fit, epoch: int, augmentation: Augmentation, group: Group = ALONE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's share of an epoch's images_BCHW in [0, 1] and label_B.

        Seed and epoch decide order and augmentation. Each image comes once, but for a last batch
        that would be incomplete.
        """
        rng = generator(recipe.seed, str(epoch), "training_order")
        order_N = rng.permutation(len(self.label_N))
        size = min(recipe.batch_size, len(order_N))
        mine = group.share(size)
        for start in range(0, len(order_N) - size + 1, size):
            image_BCHW, label_B = self.take(order_N[start : start + size][mine])
            image_BCHW = image_BCHW.float() / 255
            if augmentation.flip:
                flipped_B111 = torch.from_numpy(rng.random((size, 1, 1, 1)) < 0.5)[mine]
                image_BCHW = torch.where(flipped_B111, image_BCHW.flip(3), image_BCHW)
            if augmentation.colours:
                channel_BC = torch.from_numpy(rng.random((size, 3)).argsort(1))[mine]
                image_BCHW = image_BCHW[torch.arange(len(channel_BC))[:, None], channel_BC]
                inverted_B111 = torch.from_numpy(rng.random((size, 1, 1, 1)) < 0.5)[mine]
                image_BCHW = torch.where(inverted_B111, 1 - image_BCHW, image_BCHW)
            yield image_BCHW, label_B

    def accuracy(self, classifier: Classifier, group: Group = ALONE) -> float:
        """Return the share of images whose most probable class is their label.

        Every process of the group counts a part of the images and returns the whole's share.
        """
        correct = torch.zeros((), dtype=torch.int64, device=classifier.device)
        mine = group.share(len(self.label_N))
        size = classifier.batch_size
        for start in range(mine.start, mine.stop, size):
            image_BCHW, label_B = self.take(np.arange(start, min(start + size, mine.stop)))
            image_BCHW = image_BCHW.to(classifier.device).float() / 255
            probability_BK = classifier.probabilities(classifier.normalise(image_BCHW))
            correct += (probability_BK.argmax(1) == label_B.to(classifier.device)).sum()
        return int(group.sum(correct)) / len(self.label_N)
