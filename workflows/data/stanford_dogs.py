"""Stanford Dogs (Khosla et al., 2011)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .annotations import read_boxes_N4
from .archive import Archive, ArchiveConfig, Index
from .remote import Place


@dataclass(frozen=True, kw_only=True)
class StanfordDogs(ArchiveConfig):
    """Dogs of 120 breeds; with boxes where their archive is there.

    The archive's test list is the validation split.
    """

    def open(self) -> Archive:
        return Dogs(self)


class Dogs(Archive):
    """The data set of a `StanfordDogs`; an image's id is its path in `Images/`."""

    name = "stanford_dogs"
    page = "http://vision.stanford.edu/aditya86/ImageNetDogs/"
    layout = (
        "Wanted is a folder with Images/ (from images.tar) and file_list.mat, train_list.mat and "
        "test_list.mat (from lists.tar), the lists there or in lists/; boxes are read from "
        "Annotation/ (from annotation.tar)."
    )

    def read_index(self) -> Index:
        self.needed(self.root / "Images")
        lists = self.root / "lists"
        self._lists = lists if lists.is_dir() else self.root
        everything = self._list("file_list")
        breeds = {label: name.partition("/")[0] for name, label in everything.items()}
        if set(breeds) != set(range(1, len(breeds) + 1)):
            path = self._lists / "file_list.mat"
            raise self.unreadable(path, f"its {len(breeds)} classes are not numbered from 1")
        part = "train_list" if self.config.split == "train" else "test_list"
        path = self._lists / f"{part}.mat"
        labels = {
            name: self.numbered(path, label, len(breeds))
            for name, label in self._list(part).items()
        }
        names = (breeds[label].partition("-")[2].replace("_", " ") for label in sorted(breeds))
        return Index(labels, tuple(names))

    def file(self, image_id: str) -> Place:
        return self.root / "Images" / image_id

    def beside(self, image_id: str) -> tuple[Place, ...]:
        return ((self.root / "Annotation" / image_id).with_suffix(""),)

    def boxes_N4(self, image_id: str, size: tuple[int, int]) -> Tensor | None:
        return read_boxes_N4(self.beside(image_id)[0], size)

    def _list(self, title: str) -> dict[str, int]:
        """Return the class of each picture, from 1."""
        path = self._lists / f"{title}.mat"
        files, labels = self.matrices(path, "file_list", "labels")
        if len(files) != len(labels):
            raise self.unreadable(path, f"it has {len(files)} files and {len(labels)} labels")
        return {str(name): int(label) for name, label in zip(files, labels, strict=True)}
