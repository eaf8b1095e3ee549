"""Caltech-UCSD Birds-200-2011 (Wah et al., 2011)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .archive import Archive, ArchiveConfig, Index, as_mask, read_mask
from .remote import Place


@dataclass(frozen=True, kw_only=True)
class CUB200(ArchiveConfig):
    """Birds of 200 species, each with a box; with masks where their archive is there.

    The archive's test part is the validation split.
    """

    def open(self) -> Archive:
        return Birds(self)


class Birds(Archive):
    """The data set of a `CUB200`; an image's id is its path in `images/`."""

    name = "cub200"
    page = "https://www.vision.caltech.edu/datasets/cub_200_2011/"
    layout = (
        "Wanted is the folder that CUB_200_2011.tgz unpacks to, with images/, images.txt, "
        "classes.txt, image_class_labels.txt, train_test_split.txt and bounding_boxes.txt; masks "
        "are read from segmentations/ in it or beside it."
    )

    def read_index(self) -> Index:
        inner = self.root / "CUB_200_2011"
        self._folder = inner if inner.is_dir() else self.root
        self.needed(self._folder / "images")
        files = self._list("images")
        classes = self._list("image_class_labels")
        training = self._list("train_test_split")
        boxes = self._list("bounding_boxes")
        names = self._class_names()
        for title, other in {
            "image_class_labels": classes,
            "train_test_split": training,
            "bounding_boxes": boxes,
        }.items():
            if other.keys() != files.keys():
                path = self._folder / f"{title}.txt"
                raise self.unreadable(
                    path, f"it is about {len(other)} images, and images.txt about {len(files)}"
                )
        wanted = "1" if self.config.split == "train" else "0"
        chosen = [number for number in files if training[number] == wanted]
        self._boxes = {files[number]: self._box(boxes[number]) for number in chosen}
        path = self._folder / "image_class_labels.txt"
        labels = {
            files[number]: self.numbered(path, classes[number], len(names)) for number in chosen
        }
        return Index(labels, names)

    def file(self, image_id: str) -> Place:
        return self._folder / "images" / image_id

    def beside(self, image_id: str) -> tuple[Place, ...]:
        return (self._mask_file(image_id),)

    @property
    def facts(self) -> tuple[Place, ...]:
        return (self._folder / "bounding_boxes.txt",)

    def boxes_N4(self, image_id: str, size: tuple[int, int]) -> Tensor:
        x, y, width, height = self._boxes[image_id]
        box_14 = torch.tensor([[x, y, x + width, y + height]])
        return box_14.clamp(min=0).minimum(torch.tensor(size * 2))

    def mask_HW(self, image_id: str) -> Tensor | None:
        """Return the pixels that most of the five annotators took for the bird."""
        votes_HW = read_mask(self._mask_file(image_id))
        return None if votes_HW is None else as_mask(votes_HW >= 128)

    def _mask_file(self, image_id: str) -> Place:
        inside = self._folder / "segmentations"
        folder = inside if inside.is_dir() else self._folder.parent / "segmentations"
        return (folder / image_id).with_suffix(".png")

    def _list(self, title: str) -> dict[str, str]:
        return self.pairs(self._folder / f"{title}.txt")

    def _class_names(self) -> tuple[str, ...]:
        names = self._list("classes")
        if list(names) != [str(number) for number in range(1, len(names) + 1)]:
            path = self._folder / "classes.txt"
            raise self.unreadable(path, f"its {len(names)} classes are not numbered from 1")
        return tuple(name.partition(".")[2].replace("_", " ") for name in names.values())

    def _box(self, text: str) -> tuple[float, ...]:
        try:
            x, y, width, height = map(float, text.split())
        except ValueError as error:
            path = self._folder / "bounding_boxes.txt"
            raise self.unreadable(path, f"{text!r} is no box") from error
        return x, y, width, height
