"""How a picture becomes a network's input: resized, cut out; boxes and masks go along."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import ImageError, UserError

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Size = int | tuple[int, int]
"""Of a square, or height and width."""


@dataclass(frozen=True, kw_only=True)
class Resize:
    """Resize a picture, then cut out its centre, as torchvision's and timm's evaluation does.

    Antialiased, and rounded as theirs: the longer side down, the cut-out's corner to even.
    """

    shorter: int | None = None
    """Pixels of the shorter side before the cut; None: 256 / 224 of what is cut out, so that for
    a rectangle either side is at least that. Under `squash` of both sides; None: of the cut-out."""
    crop: Size | None = None
    """What is cut out; None: the data set's `size`."""
    interpolation: Interpolation = "bilinear"
    squash: bool = False
    """Whether both sides are resized alike, whatever the picture's proportions."""

    def __post_init__(self) -> None:
        for value in (self.shorter, *_sides(1 if self.crop is None else self.crop)):
            if value is not None and value < 1:
                raise ValueError(f"sizes must be at least 1 pixel, got {value}")
        if self.shorter is not None and self.crop and self.shorter < min(_sides(self.crop)):
            raise ValueError(
                f"shorter must be at least what is cut out, got {self.shorter} for {self.crop}"
            )


ResizeBy = Resize | Literal["squash", "none", "model"]
"""As a configuration says it: `squash` without a cut; `none` for pictures that have the size;
`model` for what the models were trained with."""


@dataclass(frozen=True)
class Frame:
    """What a data set makes of every picture."""

    height: int
    width: int
    resize: Resize | None
    """None: pictures have this size already."""

    @classmethod
    def by(cls, size: Size, resize: ResizeBy) -> Frame:
        """Return what `size` and `resize` of a data set's configuration mean.

        Raises:
            UserError: a size is no number of pixels, or `model` is left open.
        """
        if min(_sides(size)) < 1:
            raise UserError(f"`size` must be at least 1, got {size}")
        if resize == "model":
            raise UserError(
                "`resize: model` takes what the models of a benchmark were trained with; without "
                "one give {shorter, crop, interpolation}, squash or none"
            )
        if resize == "none":
            return cls(*_sides(size), None)
        own = Resize(squash=True) if resize == "squash" else resize
        return cls(*_sides(own.crop or size), own)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result."""
        return self.height, self.width

    def __str__(self) -> str:
        """Return what tells it from others in a fingerprint; version 0.1 had sizes only."""
        if self.resize is None:
            return f"{self.size} none"
        usual = self.height == self.width and self.resize.shorter in {None, self.width * 256 // 224}
        if usual and not self.resize.squash and self.resize.interpolation == "bilinear":
            return str(self.size)
        return f"{self.size} {(self.resize.shorter, *astuple(self.resize)[2:])}"

    def of(self, width: int, height: int) -> Framing:
        """Return the framing of a picture of this size."""
        if self.resize is None and (height, width) != self.size:
            raise ImageError(
                f"the image is {width}x{height} pixels, and `resize: none` takes those of "
                f"{self.width}x{self.height} as they are; set `size`, or another `resize`"
            )
        framing = Framing(width, height, self)
        if framing.resized[0] < self.width or framing.resized[1] < self.height:
            raise ImageError(
                f"the image becomes {framing.resized[0]}x{framing.resized[1]} pixels, less than "
                f"the {self.width}x{self.height} that are cut out; set a larger `shorter`"
            )
        return framing


@dataclass(frozen=True)
class Framing:
    """A picture's way into the frame. Image, boxes and mask go through the same numbers."""

    width: int
    height: int
    frame: Frame

    @property
    def resized(self) -> tuple[int, int]:
        """Width and height after the resize; the longer side is rounded down, as by torchvision."""
        frame, resize = self.frame, self.frame.resize
        if resize is None:
            return self.width, self.height
        if resize.squash:
            side = resize.shorter
            return (frame.width, frame.height) if side is None else (side, side)
        across, down = frame.width * 256 // 224, frame.height * 256 // 224
        if resize.shorter is not None:
            across = down = resize.shorter
        if self.width * down <= self.height * across:
            return across, across * self.height // self.width
        return down * self.width // self.height, down

    @property
    def corner(self) -> tuple[int, int]:
        """Left and top of the cut-out in the resized image."""
        width, height = self.resized
        return round((width - self.frame.width) / 2), round((height - self.frame.height) / 2)

    def image(self, image: Image.Image) -> Tensor:
        """Return image_CHW, float32 in [0, 1], of an RGB image."""
        resize = self.frame.resize
        return to_tensor(self._cut(image, resize.interpolation if resize else "nearest"))

    def mask(self, mask_HW: Tensor) -> Tensor:
        """Return the bool mask of the cut-out; each pixel takes the nearest one's value."""
        image = Image.fromarray(mask_HW.to(torch.uint8).numpy())
        return torch.from_numpy(np.array(self._cut(image, "nearest"), dtype=bool))

    def boxes(self, boxes_N4: Tensor) -> Tensor:
        """Return the boxes clipped to the cut-out; those outside of it are left out."""
        width, height = self.resized
        left, top = self.corner
        scale_4 = torch.tensor([width / self.width, height / self.height]).repeat(2)
        moved_N4 = boxes_N4.float() * scale_4 - torch.tensor([left, top, left, top])
        most_4 = torch.tensor([self.frame.width, self.frame.height]).repeat(2)
        moved_N4 = moved_N4.clamp(min=0).minimum(most_4)
        return moved_N4[(moved_N4[:, 2] > moved_N4[:, 0]) & (moved_N4[:, 3] > moved_N4[:, 1])]

    def _cut(self, image: Image.Image, interpolation: Interpolation) -> Image.Image:
        left, top = self.corner
        if image.size != self.resized:
            image = image.resize(self.resized, Image.Resampling[interpolation.upper()])
        return image.crop((left, top, left + self.frame.width, top + self.frame.height))


def to_tensor(image: Image.Image) -> Tensor:
    """Return image_CHW, float32 in [0, 1], of an 8-bit RGB image."""
    pixels_CHW = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return pixels_CHW.float().div_(255)


def _sides(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
