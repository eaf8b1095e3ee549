"""Oxford Flowers 102 (Nilsback and Zisserman, 2008)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .archive import Archive, ArchiveConfig, Index, as_mask, read_mask
from .remote import Place

PARTS = {"train": ("trnid", "valid"), "validation": ("tstid",)}
"""The archive's own parts in each split; training on both of the small ones is the custom
(Kornblith et al., 2019)."""


@dataclass(frozen=True, kw_only=True)
class Flowers102(ArchiveConfig):
    """Flowers of 102 categories; with masks where their archive is there.

    The archive's test part is the validation split, its training and validation parts together are
    the train split.
    """

    def open(self) -> Archive:
        return Flowers(self)


class Flowers(Archive):
    """The data set of a `Flowers102`; an image's id is its name in `jpg/`."""

    name = "flowers102"
    page = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    layout = (
        "Wanted is a folder with jpg/ (from 102flowers.tgz), imagelabels.mat and setid.mat, as "
        "torchvision leaves it in flowers-102/; masks are read from segmim/ (from "
        "102segmentations.tgz)."
    )

    def read_index(self) -> Index:
        # Imported here because it takes a second, which no other data set needs.
        from torchvision.datasets import Flowers102 as Described  # noqa: PLC0415

        inner = self.root / "flowers-102"
        self._folder = inner if inner.is_dir() else self.root
        self.needed(self._folder / "jpg")
        path = self._folder / "imagelabels.mat"
        (labels,) = self.matrices(path, "labels")
        parts = self.matrices(self._folder / "setid.mat", *PARTS[self.config.split])
        numbers = [int(number) for part in parts for number in part]
        if numbers and not 1 <= min(numbers) <= max(numbers) <= len(labels):
            raise self.unreadable(
                self._folder / "setid.mat",
                f"it names image {max(numbers)}, and imagelabels.mat has {len(labels)}",
            )
        names = tuple(Described.classes)
        return Index(
            {
                f"image_{number:05d}.jpg": self.numbered(path, labels[number - 1], len(names))
                for number in numbers
            },
            names,
        )

    def file(self, image_id: str) -> Place:
        return self._folder / "jpg" / image_id

    def beside(self, image_id: str) -> tuple[Place, ...]:
        return (self._folder / "segmim" / image_id.replace("image", "segmim"),)

    def mask_HW(self, image_id: str) -> Tensor | None:
        """Return the pixels that are not the pure blue which stands for the background."""
        colour_HWC = read_mask(self.beside(image_id)[0], "colour")
        if colour_HWC is None:
            return None
        red_HW, green_HW, blue_HW = colour_HWC.transpose(2, 0, 1)
        # The files are JPEGs, so the blue is not the same everywhere.
        return as_mask((red_HW > 40) | (green_HW > 40) | (blue_HW < 200))
