"""What data sets in their official archives have in common: lists, pictures, annotations beside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np
import scipy
import torch
from PIL import Image
from torch import Tensor

from ..errors import ImageError, UserError
from .base import Sample, fingerprint, first, load_image, read_rgb, shuffled
from .framing import Frame, Resize, ResizeBy, Size
from .remote import Place, look_ahead, opened, place

Split = Literal["train", "validation"]
_UNREADABLE = (OSError, ValueError, TypeError, NotImplementedError)
"""What scipy raises, beside an error of its own, for what is no MATLAB file."""


@dataclass(frozen=True, kw_only=True)
class ArchiveConfig:
    """The fields that the data sets of official archives share."""

    root: str
    split: Split = "validation"
    images: int | None = None
    """At most so many; None: all."""
    size: Size = 224
    """Height and width for the network."""
    resize: ResizeBy = Resize()
    """How pictures become that large."""


@dataclass(frozen=True)
class Index:
    """The pictures of a split and their classes."""

    labels: Mapping[str, int]
    """By image id, from 0."""
    class_names: tuple[str, ...]


class Archive(ABC):
    """A split of an official archive, unpacked.

    Lists are read when it is opened; a picture that they name and that is missing or damaged is an
    error of that image.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Grows when `load` returns something else for the same files."""
    layout: ClassVar[str]
    """What `root` must hold, for the message when it does not."""
    page: ClassVar[str]

    def __init__(self, config: ArchiveConfig) -> None:
        if config.split not in get_args(Split):
            raise UserError(f"`split` must be one of {get_args(Split)}, got {config.split!r}")
        self.config = config
        self.frame = Frame.by(config.size, config.resize)
        self.root = place(config.root)
        if not self.root.is_dir():
            raise self.lacking(f"the folder {self.root}")
        index = self.read_index()
        if not index.labels:
            raise self.lacking(f"any picture of the {config.split} split")
        self.labels = index.labels
        self.class_names: Sequence[str] = index.class_names
        self.image_ids: Sequence[str] = first(shuffled(self.labels), config.images)
        self.input_size = self.frame.size

    @abstractmethod
    def read_index(self) -> Index:
        """Find the archive's folders and read its lists. Raises UserError where they are not."""

    @abstractmethod
    def file(self, image_id: str) -> Place:
        """Return where a picture is."""

    def beside(self, image_id: str) -> tuple[Place, ...]:  # noqa: ARG002 - a subclass reads it
        """Return the files that `boxes_N4` and `mask_HW` read for an image, existing or not."""
        return ()

    @property
    def facts(self) -> tuple[Place, ...]:
        """Lists that decide boxes or masks; their content is part of the fingerprint."""
        return ()

    def boxes_N4(self, image_id: str, size: tuple[int, int]) -> Tensor | None:  # noqa: ARG002
        """Return boxes in pixels of a picture of `size` (width, height), x1 and y1 exclusive."""
        return None

    def mask_HW(self, image_id: str) -> Tensor | None:  # noqa: ARG002
        """Return the object's pixels in the picture, bool."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of ids, labels and lengths of all files of the split; pictures are not read."""
        lines = []
        every = {name: (self.file(name), *self.beside(name)) for name in sorted(self.labels)}
        look_ahead(file.parent for files in every.values() for file in files)
        for image_id, files in every.items():
            lengths = " ".join(str(_length(file)) for file in files)
            lines.append(f"{image_id} {self.labels[image_id]} {lengths}")
        about = [f"{self.name} {self.version}", self.config.split, str(self.frame)]
        return fingerprint([*about, *(path.read_bytes() for path in self.facts), *lines])

    def load(self, image_id: str) -> Sample:
        if image_id not in self.labels:
            raise ImageError(f"{image_id!r} is not in the {self.config.split} split of {self.name}")
        image_CHW, framing = load_image(self.file(image_id), self.frame)
        boxes_N4 = self.boxes_N4(image_id, (framing.width, framing.height))
        mask_HW = self.mask_HW(image_id)
        if mask_HW is not None and mask_HW.shape != (framing.height, framing.width):
            raise ImageError(
                f"the mask is {mask_HW.shape[1]}x{mask_HW.shape[0]} pixels and the image "
                f"{framing.width}x{framing.height}"
            )
        return Sample(
            image_id=image_id,
            image_CHW=image_CHW,
            label=self.labels[image_id],
            boxes_N4=None if boxes_N4 is None else framing.boxes(boxes_N4),
            mask_HW=None if mask_HW is None else framing.mask(mask_HW),
        )

    def lacking(self, what: str) -> UserError:
        """Return the error for something that is not there."""
        return UserError(
            f"{self.name}: {what} is missing. {self.layout} Set `root` to it (it is "
            f"{self.config.root!r}); the archives are at {self.page}"
        )

    def unreadable(self, path: Place, problem: object) -> UserError:
        """Return the error for a list that is there and is not what it should be."""
        return UserError(
            f"{self.name}: {path} is not as the archive has it: {problem}; unpack it again from "
            f"{self.page}"
        )

    def needed(self, path: Place) -> Place:
        """Return `path`, which must exist."""
        if not path.exists():
            raise self.lacking(str(path))
        return path

    def lines(self, path: Place) -> list[list[str]]:
        """Return the words of each line of a list; the second word takes the rest of the line."""
        try:
            rows = [line.split(maxsplit=1) for line in self.needed(path).read_text().splitlines()]
        except UnicodeDecodeError as error:
            raise self.unreadable(path, error) from error
        return [row for row in rows if row]

    def pairs(self, path: Place) -> dict[str, str]:
        """Return the rest of each line of a list by its first word."""
        rows = self.lines(path)
        for number, row in enumerate(rows, 1):
            if len(row) != 2:
                raise self.unreadable(path, f"line {number} has no second word")
        return {row[0]: row[1].strip() for row in rows}

    def matrices(self, path: Place, *names: str) -> list[np.ndarray]:
        """Return variables of a MATLAB file."""
        try:
            content = scipy.io.loadmat(
                opened(self.needed(path)), squeeze_me=True, variable_names=names
            )
            return [np.atleast_1d(content[name]) for name in names]
        except KeyError as error:
            raise self.unreadable(path, f"it has no variable {error}") from error
        except (scipy.io.matlab.MatReadError, *_UNREADABLE) as error:
            raise self.unreadable(path, error) from error

    def numbered(self, path: Place, label: str | int, num_classes: int) -> int:
        """Return a label of `path`, which counts from 1, as one that counts from 0."""
        if not str(label).isdecimal() or not 1 <= int(label) <= num_classes:
            raise self.unreadable(path, f"class {label} is not one of 1..{num_classes}")
        return int(label) - 1


def read_mask(path: Place, band: Literal["grey", "colour"] = "grey") -> np.ndarray | None:
    """Return the pixels of a mask's file, HW or HWC, uint8; None where there is no file.

    Raises:
        ImageError: the file cannot be decoded.
    """
    if not path.exists():
        return None
    try:
        image: Image.Image = read_rgb(path)
    except ImageError as error:
        raise ImageError(f"mask {path.name}: {error}") from error
    return np.asarray(image.convert("L") if band == "grey" else image)


def as_mask(inside_HW: np.ndarray) -> Tensor:
    """Return a condition on pixels as a bool tensor."""
    return torch.from_numpy(np.ascontiguousarray(inside_HW, dtype=bool))


def _length(path: Place) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
