"""What every data set gives, and how a picture file is read."""

from __future__ import annotations

import hashlib
import stat
import struct
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from swag.rng import generator

from ..errors import ImageError, UserError
from .framing import Frame, Framing
from .remote import Place, opened


@dataclass(frozen=True)
class Sample:
    """One image and what is known of it, at the network's input size."""

    image_id: str
    image_CHW: Tensor
    """float32 in [0, 1], RGB, not normalised."""
    label: int | None = None
    boxes_N4: Tensor | None = None
    """float32 x0, y0, x1, y1 in pixels of the image, x1 and y1 exclusive."""
    mask_HW: Tensor | None = None
    """bool, the object's pixels."""


class Dataset(Protocol):
    """Images in a fixed order, each loaded by its id."""

    @property
    def image_ids(self) -> Sequence[str]:
        """Unique ids, shuffled by a fixed seed, so that the first n are a fair sample."""

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes in the order of the labels; empty where there are no labels."""

    @property
    def fingerprint(self) -> str:
        """sha256 of all that decides what `load` returns; the number of images does not count."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of every image."""

    def load(self, image_id: str) -> Sample:
        """Return one image. Raises ImageError where it cannot be used."""


class DatasetConfig(Protocol):
    """A frozen dataclass whose fields are the data set's part of a benchmark's YAML."""

    def open(self) -> Dataset:
        """Return the data set. Raises UserError where it is missing or empty."""


def load_image(file: Place | BinaryIO, frame: Frame) -> tuple[Tensor, Framing]:
    """Return a picture file as image_CHW and the framing that its boxes and mask need.

    Raises:
        ImageError: the file is no complete picture, too large to be decoded safely, or cannot be
            framed so.
    """
    image = read_rgb(file)
    framing = frame.of(*image.size)
    width, height = framing.resized
    if width * height > _MOST_PIXELS:
        raise ImageError(
            f"the image is {image.width}x{image.height} pixels, too elongated: resized to "
            f"{width}x{height} it would need more than {_MOST_PIXELS} pixels"
        )
    return framing.image(image), framing


def read_rgb(file: Place | BinaryIO) -> Image.Image:
    """Return the pixels of a picture file as 8-bit RGB.

    As torchvision's default loader: EXIF orientation is ignored, transparency is dropped, grey is
    repeated, of several frames the first counts. Unlike it, 16-bit grey keeps its upper 8 bits
    instead of being clipped.

    Raises:
        ImageError: as `load_image`.
    """
    try:
        with _open(opened(file) if isinstance(file, Place) else file) as image:
            image.load()
            return _to_rgb(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"the image is too large to be decoded safely: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError("the file is not an image in a format that Pillow reads") from error
    except FileNotFoundError as error:
        raise ImageError(f"the file is missing: {error.filename}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
        raise ImageError(f"the image cannot be decoded: {error}") from error


_MOST_PIXELS = 89_478_485  # Pillow's own bound for a picture that it decodes without a warning
_OPENING = threading.Lock()  # Python's warning filters are shared by all threads


def _open(file: Path | BinaryIO) -> Image.Image:
    """Open a picture; only warnings of its size matter, those of damaged metadata do not."""
    if isinstance(file, Path) and not stat.S_ISREG(file.stat().st_mode):
        raise ImageError("it is a pipe, a device or a folder, and no file")
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(file)
        if image.format == "TIFF":
            image.load()  # reads the metadata again
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray(_upper_byte(np.asarray(image))).convert("RGB")
    if image.mode == "F":
        raise ImageError("the image holds floating-point pixels, whose range is unknown")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _upper_byte(pixels_HW: np.ndarray) -> np.ndarray:
    if pixels_HW.min() < 0 or pixels_HW.max() > 65535:
        raise ImageError("the image holds 32-bit integer pixels, whose range is unknown")
    return (pixels_HW.astype(np.uint16) >> 8).astype(np.uint8)


def shuffled(image_ids: Iterable[str], seed: int = 0) -> list[str]:
    """Return ids in an order that depends on the set of ids and the seed only."""
    ordered = sorted(image_ids)
    return [ordered[i] for i in generator(seed, "", "order").permutation(len(ordered))]


def first(image_ids: Sequence[str], images: int | None) -> tuple[str, ...]:
    """Return the first `images` ids, all where it is None or larger.

    Raises:
        UserError: fewer than one is asked for.
    """
    if images is not None and images < 1:
        raise UserError(f"`images` must be at least 1, got {images}; leave it out to use all")
    return tuple(image_ids[:images])


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """Return the sha256 of a listing; where one part ends and the next begins counts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
