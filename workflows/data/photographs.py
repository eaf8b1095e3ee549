"""Photographs that the wheels of scikit-image and scikit-learn bring: nothing is downloaded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

from swag.lookup import nearest

from ..errors import ImageError, UserError
from .base import Sample, fingerprint, first, load_image
from .framing import Frame, Resize, ResizeBy, Size


@dataclass(frozen=True, kw_only=True)
class PackagedPhotographs:
    """Eight photographs of scikit-image and scikit-learn, for networks of ImageNet's 1,000 classes.

    Those that show exactly one of the classes have its label. An image's id is its name.
    """

    names: tuple[str, ...] = ()
    """Which; none: all."""
    images: int | None = None
    """At most so many; None: all."""
    size: Size = 224
    """Height and width for the network."""
    resize: ResizeBy = Resize()
    """How pictures become that large."""

    def open(self) -> Photographs:
        return Photographs(self)


class Photographs:
    """The data set of a `PackagedPhotographs`."""

    def __init__(self, config: PackagedPhotographs) -> None:
        self.frame = Frame.by(config.size, config.resize)
        self.input_size = self.frame.size
        if unknown := [name for name in config.names if name not in _KNOWN]:
            raise UserError(f"photograph {unknown[0]!r} is unknown{nearest(unknown[0], _KNOWN)}")
        if len(set(config.names)) < len(config.names):
            raise UserError(f"`names` has one twice: {', '.join(config.names)}")
        self.image_ids: Sequence[str] = first(config.names or tuple(_KNOWN), config.images)
        self._content = {name: _KNOWN[name].read() for name in self.image_ids}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """ImageNet's, in the order of pretrained models."""
        # Imported here because it takes a second.
        from torchvision.models import SqueezeNet1_1_Weights  # noqa: PLC0415

        return tuple(SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"])

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of all the pictures' own, their labels and how they are resized."""
        pictures = [f"{name} {known.sha256} {known.label}" for name, known in _KNOWN.items()]
        return fingerprint(["photographs 1", str(self.frame), *pictures])

    def load(self, image_id: str) -> Sample:
        if image_id not in self._content:
            raise ImageError(f"{image_id!r} is none of the photographs")
        image_CHW, _framing = load_image(BytesIO(self._content[image_id]), self.frame)
        return Sample(image_id=image_id, image_CHW=image_CHW, label=_KNOWN[image_id].label)


class _Photograph(NamedTuple):
    distribution: str
    package: str
    path: str
    sha256: str
    label: int | None = None

    def read(self) -> bytes:
        """Return its file, which must be the one that it was.

        Raises:
            UserError: the package lacks it or has another picture in its place.
        """
        file = files(self.package).joinpath(self.path)
        content = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(content).hexdigest() != self.sha256:
            what = "is another picture" if content else "is missing"
            raise UserError(
                f"{self.path} of {self.distribution} {version(self.distribution)} {what}, wanted "
                f"is one of sha256 {self.sha256}; name the other photographs in `names`, or "
                f"install {self.distribution} anew"
            )
        return content


def _of_skimage(file: str, sha256: str, label: int | None = None) -> _Photograph:
    return _Photograph("scikit-image", "skimage", f"data/{file}", sha256, label)


def _of_sklearn(file: str, sha256: str, label: int | None = None) -> _Photograph:
    return _Photograph("scikit-learn", "sklearn", f"datasets/images/{file}", sha256, label)


_KNOWN = {
    "chelsea": _of_skimage(
        "chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        281,  # tabby
    ),
    "coffee": _of_skimage(
        "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        967,  # espresso
    ),
    "camera": _of_skimage(
        "camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        872,  # tripod
    ),
    "china": _of_sklearn(
        "china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        698,  # palace
    ),
    "rocket": _of_skimage(
        "rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"
    ),
    "motorcycle": _of_skimage(
        "motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"
    ),
    "flower": _of_sklearn(
        "flower.jpg", "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"
    ),
    "astronaut": _of_skimage(
        "astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"
    ),
}
