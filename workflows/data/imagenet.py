"""ImageNet, the classification set of 2012 (Russakovsky et al., 2015)."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .annotations import read_boxes_N4
from .archive import Archive, ArchiveConfig, Index
from .remote import Place, look_ahead, opened

NUM_CLASSES = 1000
_WNID = re.compile(r"n\d{8}")
_FOLDERS = {"validation": "val", "train": "train"}


@dataclass(frozen=True, kw_only=True)
class ImageNet(ArchiveConfig):
    """Photographs of 1,000 classes; with boxes where their archive is there.

    Classes are numbered in the order of their WordNet ids, as pretrained models number them.
    """

    need_boxes: bool = False
    """Refuse a folder without the boxes' archive; otherwise images then have no boxes."""

    def open(self) -> Archive:
        return Photographs(self, need_boxes=self.need_boxes)


@dataclass(frozen=True)
class Meta:
    """What the archive's own lists say."""

    names: Mapping[str, str]
    """Of each class, by WordNet id."""
    truth: Mapping[str, str]
    """WordNet id of validation images, by file name."""


class Photographs(Archive):
    """The data set of an `ImageNet`; an image's id is its file name, after its class in training.

    Ids, labels and fingerprint are the same for every layout.
    """

    name = "imagenet"
    page = "https://www.image-net.org/challenges/LSVRC/2012/"
    layout = (
        "Wanted is a folder with val/ (or Data/CLS-LOC/val/), in it the JPEGs of "
        "ILSVRC2012_img_val.tar, flat or in a sub-folder per class, and one of: torchvision's "
        "meta.bin; ILSVRC2012_devkit_t12/ (the development kit); LOC_synset_mapping.txt with "
        "LOC_val_solution.csv. Boxes are read from the XML files in Annotations/CLS-LOC/val/ or "
        "val/."
    )

    def __init__(self, config: ArchiveConfig, *, need_boxes: bool = False) -> None:
        super().__init__(config)
        if need_boxes and not self._annotations:
            raise self.lacking("the folder of boxes (`need_boxes: false` does without it)")

    def read_index(self) -> Index:
        inner = self.root / "ILSVRC"
        self._base = inner if inner.is_dir() else self.root
        self._pictures = self._find_pictures()
        self._annotations = self._find_annotations()
        self._blacklist = self._find_blacklist()
        self._unboxed = self._read_blacklist()
        folders = sorted(path.name for path in self._pictures.iterdir() if _is_class(path))
        meta = self._meta() or self._meta_of(folders)
        label_of = {wnid: label for label, wnid in enumerate(sorted(meta.names))}
        found = self._in_folders(folders) if folders else self._flat(meta)
        if unknown := sorted(set(found.values()) - label_of.keys()):
            raise self.unreadable(
                self._pictures, f"{unknown[0]} is no class of the list of {len(label_of)} classes"
            )
        self._wnids = found
        self._in_class_folders = bool(folders)
        labels = {image_id: label_of[wnid] for image_id, wnid in found.items()}
        return Index(labels, tuple(meta.names[wnid] for wnid in sorted(meta.names)))

    def file(self, image_id: str) -> Place:
        if self._in_class_folders and self.config.split == "validation":
            return self._pictures / self._wnids[image_id] / image_id
        return self._pictures / image_id

    def beside(self, image_id: str) -> tuple[Place, ...]:
        if self._annotations is None:
            return ()
        return ((self._annotations / image_id).with_suffix(".xml"),)

    @property
    def facts(self) -> tuple[Place, ...]:
        return () if self._blacklist is None else (self._blacklist,)

    def boxes_N4(self, image_id: str, size: tuple[int, int]) -> Tensor | None:
        """Return the boxes of the image's class; none for images on the evaluation's blacklist."""
        if image_id in self._unboxed or not self.beside(image_id):
            return None
        return read_boxes_N4(self.beside(image_id)[0], size, self._wnids[image_id])

    def _find_annotations(self) -> Place | None:
        part = _FOLDERS[self.config.split]
        for folder in (self._base / "Annotations" / "CLS-LOC" / part, self._base / part):
            pattern = "*.xml" if part == "val" else "n*/*.xml"
            if next(folder.glob(pattern), None) is not None:
                return folder
        return None

    def _find_blacklist(self) -> Place | None:
        found = [path for folder in self._kits for path in folder.glob("*validation_blacklist.txt")]
        return min(found, default=None)

    def _read_blacklist(self) -> frozenset[str]:
        if self._blacklist is None:
            return frozenset()
        numbers = [row[0] for row in self.lines(self._blacklist)]
        if not all(number.isdecimal() for number in numbers):
            raise self.unreadable(self._blacklist, "it should hold a number in each line")
        return frozenset(_file_name(int(number)) for number in numbers)

    @property
    def _kits(self) -> Sequence[Place]:
        """Return where the development kit's files may be."""
        kit = self.root / "ILSVRC2012_devkit_t12" / "data"
        return [kit, self.root / "devkit" / "data", self.root / "data", self.root]

    def _find_pictures(self) -> Place:
        part = _FOLDERS[self.config.split]
        for folder in (self._base / "Data" / "CLS-LOC" / part, self._base / part):
            if folder.is_dir():
                return folder
        if part == "val" and next(self.root.glob("ILSVRC2012_val_*.JPEG"), None) is not None:
            return self.root
        raise self.lacking(f"the folder {self._base / part}")

    def _in_folders(self, folders: Sequence[str]) -> dict[str, str]:
        prefixed = self.config.split == "train"
        look_ahead(self._pictures / wnid for wnid in folders)
        return {
            f"{wnid}/{path.name}" if prefixed else path.name: wnid
            for wnid in folders
            for path in (self._pictures / wnid).iterdir()
            if path.suffix == ".JPEG"
        }

    def _flat(self, meta: Meta) -> dict[str, str]:
        names = [path.name for path in self._pictures.iterdir() if path.suffix == ".JPEG"]
        if unknown := sorted(set(names) - meta.truth.keys()):
            raise self.lacking(f"the class of {len(unknown)} pictures ({unknown[0]} first)")
        return {name: meta.truth[name] for name in names}

    def _meta(self) -> Meta | None:
        if (self.root / "meta.bin").exists():
            return self._torchvision_meta(self.root / "meta.bin")
        for folder in self._kits:
            if (folder / "meta.mat").exists():
                return self._kit_meta(folder)
        if (self.root / "LOC_synset_mapping.txt").exists():
            return self._loc_meta()
        return None

    def _meta_of(self, folders: Sequence[str]) -> Meta:
        """Return what the folders themselves say, which is enough where all classes are there."""
        if len(folders) != NUM_CLASSES:
            raise self.lacking("a list of the classes (meta.bin, meta.mat or LOC_*)")
        return Meta({wnid: wnid for wnid in folders}, {})

    def _torchvision_meta(self, path: Place) -> Meta:
        try:
            names, truth = torch.load(opened(path), weights_only=True)
            described = {str(wnid): ", ".join(words) for wnid, words in names.items()}
        except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, EOFError) as error:
            raise self.unreadable(path, error) from error
        return Meta(described, _numbered(truth))

    def _kit_meta(self, folder: Place) -> Meta:
        (synsets,) = self.matrices(folder / "meta.mat", "synsets")
        try:
            low = [row for row in synsets if int(row["num_children"]) == 0]
            wnids = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in low}
            names = {str(row["WNID"]): str(row["words"]) for row in low}
        except (ValueError, IndexError, TypeError) as error:
            raise self.unreadable(folder / "meta.mat", error) from error
        path = folder / "ILSVRC2012_validation_ground_truth.txt"
        if not path.exists():
            return Meta(names, {})
        numbers = [int(row[0]) if row[0].isdecimal() else -1 for row in self.lines(path)]
        if unknown := [number for number in numbers if number not in wnids]:
            raise self.unreadable(path, f"class {unknown[0]} is not in meta.mat")
        return Meta(names, _numbered([wnids[number] for number in numbers]))

    def _loc_meta(self) -> Meta:
        names = self.pairs(self.root / "LOC_synset_mapping.txt")
        path = self.root / "LOC_val_solution.csv"
        if not path.exists():
            return Meta(names, {})
        entries = [row[0].split(",") for row in self.lines(path)[1:]]
        return Meta(names, {f"{entry[0]}.JPEG": entry[-1] for entry in entries})


def _is_class(path: Place) -> bool:
    return _WNID.fullmatch(path.name) is not None and path.is_dir()


def _file_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def _numbered(wnids: Sequence[str]) -> dict[str, str]:
    """Return the class of each validation image, by file name, of a list in their order."""
    return {_file_name(number): wnid for number, wnid in enumerate(wnids, 1)}
