"""Pictures of one's own: a folder, with a sub-folder for each class or without classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import UserError
from ..store.files import READERS
from .base import Sample, fingerprint, first, load_image, shuffled
from .framing import Frame, Resize, ResizeBy, Size
from .remote import Place, RemotePath, place

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif"}
)


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """A folder of pictures.

    Each sub-folder is a class, numbered in the order of the names as torchvision's `ImageFolder`
    does it, pictures of deeper folders included; without sub-folders the pictures have no label.
    Hidden files and folders are passed over. An image's id is its path inside the folder.
    """

    root: str
    images: int | None = None
    """At most so many; None: all."""
    size: Size = 224
    """Height and width for the network."""
    resize: ResizeBy = Resize()
    """How pictures become that large."""

    def open(self) -> Folder:
        folder = Folder(self)
        _ = folder.image_ids
        return folder


class Folder:
    """The data set of an `ImageFolder`."""

    def __init__(self, config: ImageFolder) -> None:
        self.config = config
        self.root = place(config.root)
        self.frame = Frame.by(config.size, config.resize)
        self.input_size = self.frame.size

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        return first(shuffled(self._sizes), self.config.images)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(sorted({name.partition("/")[0] for name in self._sizes if "/" in name}))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the names and lengths of all files; their bytes are not read."""
        listing = [f"{name} {self._sizes[name]}" for name in sorted(self._sizes)]
        return fingerprint(["image_folder 1", str(self.frame), *listing])

    def load(self, image_id: str) -> Sample:
        image_CHW, _ = load_image(self.root / image_id, self.frame)
        return Sample(image_id=image_id, image_CHW=image_CHW, label=self._label(image_id))

    def _label(self, image_id: str) -> int | None:
        return self._labels[image_id.partition("/")[0]] if self._labels else None

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.class_names)}

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Bytes of each picture, by id."""
        if not self.root.is_dir():
            state = "is a file" if self.root.exists() else "does not exist"
            raise UserError(
                f"the image folder {self.root} {state}; set `root` to a folder of pictures"
            )
        folders = sorted(path for path in self.root.iterdir() if _is_class(path))
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda path: _pictures(path, self.root), folders)
            sizes = {path.name: sizes for path, sizes in zip(folders, found, strict=True)}
        if not any(sizes.values()):
            sizes = {"": dict(_sized(self.root.iterdir(), self.root))}
        elif empty := [name for name, pictures in sizes.items() if not pictures]:
            raise UserError(
                f"the class folder {self.root / empty[0]} holds no pictures, so the numbers of the "
                "classes after it would be in doubt; remove it or fill it"
            )
        pictures = {name: size for part in sizes.values() for name, size in part.items()}
        if not pictures:
            raise UserError(
                f"the image folder {self.root} holds no pictures ({', '.join(sorted(EXTENSIONS))})"
            )
        return pictures


def _is_class(path: Place) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _pictures(folder: Place, root: Place) -> dict[str, int]:
    if isinstance(folder, RemotePath):
        return dict(_sized(folder.files_below(), root))
    return {
        name: size
        for parent, files in _walked(folder)
        for name, size in _sized((parent / file for file in files), root)
    }


def _walked(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder below one and its files; one that links lead to again comes once."""
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
        else:
            seen.add(real)
            yield Path(parent), files


def _sized(paths: Iterator[Place], root: Place) -> Iterator[tuple[str, int]]:
    for path in paths:
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith("."):
            # A dangling link stays listed, so that it becomes a row that says so.
            if isinstance(path, RemotePath):
                name = path.key
            else:
                name = _as_text(path.relative_to(str(root)).as_posix())
            yield name, path.stat().st_size if path.exists() else -1


def _as_text(name: str) -> str:
    """Return a name that can be stored. Raises UserError where it is not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(name)
        raise UserError(
            f"the name of the picture {shown!r} is not UTF-8, so that no row can name it; rename it"
        ) from None
    return name
