"""What an image is compared with: images of no class in particular, drawn at random."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from swag.channels import with_channels
from swag.checks import require_at_least
from swag.rng import generator

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@runtime_checkable
class Background(Protocol):
    """Images to compare with. It is a part of an explainer's configuration, as a segmenter is."""

    def draw(self, rng: np.random.Generator, count: int, shape: tuple[int, int, int]) -> Tensor:
        """Return image_TCHW, float32 in [0, 1] on the CPU, which broadcasts to `shape`, (C, H, W).

        Two calls with one generator return what one call for as many would.
        """


@dataclass(frozen=True, kw_only=True)
class RandomColours:
    """Images of one colour each, every colour as likely as any other."""

    def draw(self, rng: np.random.Generator, count: int, shape: tuple[int, int, int]) -> Tensor:
        return torch.from_numpy(rng.random((count, shape[0], 1, 1))).float()


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures of a folder, of which some are chosen once for all images.

    They cover the model's input and lose what is over at the sides.
    """

    folder: str = ""
    """All pictures in it and below it; it must be named."""
    num_pictures: int = 50
    seed: int = 0
    """Which ones are chosen."""
    sha256: str = ""
    """Of the chosen files, found by itself."""

    def __post_init__(self) -> None:
        require_at_least("num_pictures", self.num_pictures, 1)
        if self.folder:
            digests = [hashlib.sha256(path.read_bytes()).digest() for path in self._chosen()]
            object.__setattr__(self, "sha256", hashlib.sha256(b"".join(digests)).hexdigest())

    def draw(self, rng: np.random.Generator, count: int, shape: tuple[int, int, int]) -> Tensor:
        if not self.folder:
            raise ValueError("a background of pictures needs a folder, and none is named")
        return _opened(self, shape)[torch.from_numpy(rng.integers(self.num_pictures, size=count))]

    def _chosen(self) -> list[Path]:
        found = sorted(path for path in Path(self.folder).rglob("*") if path.suffix in SUFFIXES)
        if len(found) < self.num_pictures:
            raise ValueError(
                f"folder {self.folder} has {len(found)} pictures, wanted {self.num_pictures}; name "
                "another folder or ask for fewer"
            )
        places = generator(self.seed, "", "background").permutation(len(found))
        return [found[place] for place in sorted(places[: self.num_pictures])]


@lru_cache(maxsize=4)
def _opened(pictures: Pictures, shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = shape
    opened = []
    for path in pictures._chosen():
        with Image.open(path) as file:
            fitted = ImageOps.fit(file.convert("RGB"), (width, height), Image.Resampling.BILINEAR)
        opened.append(torch.from_numpy(np.array(fitted)).permute(2, 0, 1))
    return with_channels(torch.stack(opened).float() / 255, channels)
