"""Images without the pixels that a stored saliency calls important."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from swag.classifier import Classifier
from swag.curves.ranks import descending_order
from swag.rng import generator

from ..store.run_folder import Store
from ..train.images import Images, drawn, flipped, shuffled
from ..train.recipe import Fit

MOST_BYTES = 2**29
"""Of removed pixels that are kept: one bit a pixel, 6 KB an image of 224x224."""


def removal_bits(
    store: Store, cell: tuple[str, str, str], fractions: Sequence[float]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield each image with its removed pixels at each fraction, one bit each in row-major order.

    These are the `fraction` of the pixels that a stored saliency ranks first, by the tie rule of
    the deletion curve.
    """
    for maps in store.explanation_parts(*cell):
        for image_id, saliency_HW in maps.items():
            order_P = descending_order(torch.from_numpy(saliency_HW.reshape(1, -1).copy()))[0]
            removed = np.zeros((len(fractions), order_P.numel()), bool)
            for removed_P, fraction in zip(removed, fractions, strict=True):
                removed_P[order_P[: int(fraction * order_P.numel())].numpy()] = True
            yield image_id, [np.packbits(removed_P) for removed_P in removed]


Bits = dict[str, np.ndarray]
"""Removed pixels of each image."""


class RemovedPixels:
    """What `removal_bits` has found, kept for repeats; the longest unused go where it is too much.

    Args:
        most_bytes: of all that is kept.
    """

    def __init__(self, store: Store, most_bytes: int = MOST_BYTES) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._kept: dict[tuple[tuple[str, str, str], float], Bits] = {}

    def of(self, cell: tuple[str, str, str], fraction: float, others: Sequence[float] = ()) -> Bits:
        """Return the removed pixels of a cell's images.

        Those of `others`, which will be asked for too, are found with them where there is room, so
        that each saliency is read and sorted once.
        """
        if (cell, fraction) not in self._kept:
            for each, found in self._find(cell, fraction, others).items():
                self._kept[cell, each] = found
        bits = self._kept.pop((cell, fraction))
        self._kept[cell, fraction] = bits  # the last of them
        while sum(map(_num_bytes, self._kept.values())) > self._most_bytes:
            self._kept.pop(next(iter(self._kept)))
        return bits

    def _find(
        self, cell: tuple[str, str, str], fraction: float, others: Sequence[float]
    ) -> dict[float, Bits]:
        fractions = list(dict.fromkeys([fraction, *others]))
        found: dict[float, Bits] = {each: {} for each in fractions}
        num_bytes = 0
        for image_id, bits in removal_bits(self._store, cell, fractions):
            for each, removed in zip(fractions, bits, strict=True):
                if each in found:
                    found[each][image_id] = removed
                    num_bytes += removed.nbytes
            if num_bytes > self._most_bytes:
                found = {fraction: found[fraction]}
        return found


def _num_bytes(bits: Bits) -> int:
    return sum(removed.nbytes for removed in bits.values())


class MaskedImages:
    """Images that lose their removed pixels as they are read."""

    def __init__(self, images: Images, bits: Mapping[str, np.ndarray] | None) -> None:
        self._images = images
        self._bits = bits
        ids = images.image_ids
        self._usable = [index for index in range(len(ids)) if bits is None or ids[index] in bits]
        if not self._usable:
            raise ValueError("no image has a stored explanation")

    def _read(self, positions: list[int], classifier: Classifier) -> tuple[Tensor, Tensor]:
        """Return normalised images, 0 where pixels are removed, and labels."""
        image_BCHW, label_B = self._images.take(np.array(positions))
        x_BCHW = classifier.prepared(image_BCHW.to(classifier.device).float() / 255)
        if self._bits is not None:
            packed = np.stack([self._bits[self._images.image_ids[p]] for p in positions])
            size = x_BCHW.shape[2:]
            removed = np.unpackbits(packed, axis=1, count=size[0] * size[1]).astype(bool)
            removed_B1HW = torch.from_numpy(removed).view(-1, 1, *size).to(classifier.device)
            x_BCHW = x_BCHW.masked_fill_(removed_B1HW, 0.0)
        return x_BCHW, label_B.to(classifier.device)

    def batches(
        self, recipe: Fit, epoch: int, classifier: Classifier, *, flip: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch's batches, all full: shuffled, and flipped with chance 1/2 if asked for.

        Order and flips depend on the recipe's seed and the epoch only, so that an interrupted job
        goes on as if it had not been.
        """
        rng = generator(recipe.seed, str(epoch), "roar_epoch")
        for position_B in shuffled(np.array(self._usable), recipe.batch_size, rng):
            x_BCHW, label_B = self._read(position_B.tolist(), classifier)
            if flip:
                x_BCHW = flipped(x_BCHW, drawn(len(position_B), rng))
            yield x_BCHW, label_B

    def accuracy(self, classifier: Classifier) -> float:
        """Return the share of images whose most probable class is their label."""
        correct = 0
        for first in range(0, len(self._usable), classifier.batch_size):
            x_BCHW, label_B = self._read(
                self._usable[first : first + classifier.batch_size], classifier
            )
            correct += int((classifier.probabilities(x_BCHW).argmax(1) == label_B).sum())
        return correct / len(self._usable)
