"""Handwritten digits in photographs: a data set that is generated, so it is there everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swag.rng import generator
from swag.types import NEW_FIELD

from ..errors import ImageError, UserError
from .base import Sample, fingerprint, first, read_rgb
from .framing import to_tensor
from .natural_scenes import natural_scene
from .scene_parts import LUMA, crop, painted, somewhere

Split = Literal["train", "validation"]
Style = Literal["plain", "natural"]

SIZE = 112
NUM_IMAGES: dict[Split, int] = {"train": 10_000, "validation": 2_000}
"""How many there are where `images` is not given; more can be asked for."""
MOST_IMAGES = 10_000_000

# Grow when the same index gives another scene.
_VERSION: dict[Style, str] = {"plain": "1", "natural": "natural 2"}
_PHOTOGRAPHS: dict[Split, tuple[tuple[str, str], ...]] = {
    "train": (
        ("skimage", "data/astronaut.png"),
        ("skimage", "data/brick.png"),
        ("skimage", "data/camera.png"),
        ("skimage", "data/cell.png"),
        ("skimage", "data/coffee.png"),
        ("skimage", "data/coins.png"),
        ("skimage", "data/grass.png"),
        ("skimage", "data/hubble_deep_field.jpg"),
        ("skimage", "data/ihc.png"),
        ("skimage", "data/moon.png"),
        ("skimage", "data/motorcycle_left.png"),
        ("skimage", "data/retina.jpg"),
        ("skimage", "data/rocket.jpg"),
    ),
    "validation": (
        ("skimage", "data/chelsea.png"),
        ("skimage", "data/gravel.png"),
        ("sklearn", "datasets/images/china.jpg"),
        ("sklearn", "datasets/images/flower.jpg"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class DigitScenes:
    """Scenes of 112x112 pixels, each with one handwritten digit, its box and its mask.

    The digits are scikit-learn's `load_digits`, the photographs those in the wheels of scikit-image
    and scikit-learn; neither a digit nor a photograph of one split is in the other. A scene is a
    function of seed, split and index, and is made when it is loaded.
    """

    split: Split = "validation"
    images: int | None = None
    seed: int = 0
    scenes: Style = field(default="plain", metadata={NEW_FIELD: True})
    """Plain: a digit in one strong colour. Natural: textured, turned, gently contrasted, unevenly
    lit, among halves of other digits and partly covered, so that networks have to look closer."""

    def open(self) -> Scenes:
        if self.split not in get_args(Split):
            raise UserError(f"`split` must be one of {get_args(Split)}, got {self.split!r}")
        if self.scenes not in get_args(Style):
            raise UserError(f"`scenes` must be one of {get_args(Style)}, got {self.scenes!r}")
        if (self.images or 0) > MOST_IMAGES:
            raise UserError(f"`images` must be at most {MOST_IMAGES:,}, got {self.images:,}")
        return Scenes(self)


class Scenes:
    """The data set of a `DigitScenes`."""

    class_names = tuple(str(digit) for digit in range(10))
    input_size = (SIZE, SIZE)

    def __init__(self, config: DigitScenes) -> None:
        self.config = config
        count = max(NUM_IMAGES[config.split], config.images or 0)
        # Each index is a draw of its own, so no shuffle is needed.
        names = [f"{config.split}/{index:06d}" for index in range(count)]
        self.image_ids = first(names, config.images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of generator version, split, seed and the pixels that scenes are made from."""
        sources = _sources(self.config.split)
        pixels = [sources.digit_NHW.tobytes(), sources.label_N.tobytes()]
        pixels += [photograph.tobytes() for photograph in sources.photographs]
        return fingerprint(
            [
                f"digit_scenes {_VERSION[self.config.scenes]}",
                self.config.split,
                str(self.config.seed),
                *pixels,
            ]
        )

    def load(self, image_id: str) -> Sample:
        split, _, index = image_id.partition("/")
        if split != self.config.split or not (index.isascii() and index.isdigit()):
            raise ImageError(f"{image_id!r} is no scene of {self.config.split!r}")
        sources = _sources(self.config.split)
        rng = generator(self.config.seed, image_id, "digit_scene")
        if self.config.scenes == "natural":
            number = int(rng.integers(len(sources.digit_NHW)))
            image_HWC, seen_HW = natural_scene(
                sources.photographs, sources.digit_NHW, number, SIZE, rng
            )
        else:
            number, image_HWC, seen_HW = _plain_scene(sources, rng)
        mask_HW = torch.from_numpy(seen_HW)
        return Sample(
            image_id=image_id,
            image_CHW=to_tensor(Image.fromarray(image_HWC)),
            label=int(sources.label_N[number]),
            boxes_N4=tight_box_14(mask_HW),
            mask_HW=mask_HW,
        )


def tight_box_14(mask_HW: Tensor) -> Tensor:
    """Return the smallest box x0, y0, x1, y1 round a mask, x1 and y1 exclusive."""
    rows, columns = mask_HW.any(1).nonzero(), mask_HW.any(0).nonzero()
    box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return torch.stack(box).float()[None]


def _plain_scene(sources: _Sources, rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the digit's number, the scene, uint8 (H,W,3), and where the digit is, bool (H,W)."""
    photograph = sources.photographs[rng.integers(len(sources.photographs))]
    background = crop(photograph, SIZE, rng)
    number = int(rng.integers(len(sources.digit_NHW)))
    alpha_HW = _place(sources.digit_NHW[number], rng)
    return number, _blend(np.asarray(background), alpha_HW, rng), alpha_HW >= 128


def _place(digit_HW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the digit's opacity over the scene, 0..255, at a random place and size."""
    side = int(rng.integers(_SMALLEST, _LARGEST + 1))
    digit = Image.fromarray(digit_HW).resize((side, side), Image.Resampling.BICUBIC)
    return somewhere(np.asarray(digit), SIZE, rng)


def _blend(scene_HWC: np.ndarray, alpha_HW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the scene with the digit in a random colour that stands out where it lies."""
    scene_HWC = scene_HWC.astype(np.int64)
    under = (scene_HWC[alpha_HW >= 128] @ LUMA).sum() // (alpha_HW >= 128).sum()
    colour_C = _colour(rng)
    while abs(colour_C @ LUMA - under) < _CONTRAST * 1000:
        colour_C = _colour(rng)
    return painted(scene_HWC, alpha_HW, colour_C).astype(np.uint8)


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Return a saturated colour: one channel strong, one weak, one of any strength."""
    return rng.permutation([rng.integers(192, 256), rng.integers(64), rng.integers(256)])


_SMALLEST, _LARGEST = 40, 80  # side of the digit's 8x8 raster in the scene
_CONTRAST = 60  # of 255; lower than that a digit is lost in a busy photograph


class _Sources(NamedTuple):
    digit_NHW: np.ndarray
    label_N: np.ndarray
    photographs: list[Image.Image]


@cache
def _sources(split: Split) -> _Sources:
    # Of each digit 8 x 8 values, then its class.
    value_NV = np.loadtxt(_packaged("sklearn", "datasets/data/digits.csv.gz"), delimiter=",")
    held_out_N = np.arange(len(value_NV)) % 4 == 3
    value_NV = value_NV[held_out_N if split == "validation" else ~held_out_N]
    # 0..16 becomes 0..240
    return _Sources(
        (value_NV[:, :-1].reshape(-1, 8, 8) * 15).astype(np.uint8),
        value_NV[:, -1].astype(np.int64),
        [
            read_rgb(BytesIO(_packaged(package, name).read_bytes()))
            for package, name in _PHOTOGRAPHS[split]
        ],
    )


def _packaged(package: str, name: str) -> Path:
    """Return a file of a package without its import, which takes more than a second."""
    spec = find_spec(package)
    folders = (spec and spec.submodule_search_locations) or []
    found = [file for folder in folders if (file := Path(folder) / name).is_file()]
    if not found:
        raise UserError(f"digit_scenes needs {name} from the wheel of {package}, which lacks it")
    return found[0]
