"""Images that somebody has, as a data set of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from swag.lookup import lookup

from ..data import DATASETS, Frame, ImageFolder, Sample
from ..data.base import fingerprint
from ..errors import ImageError, UserError
from .objects import Named, image_id

IMAGE_KEYS = ("image", "img", "pixel_values")
LABEL_KEYS = ("label", "labels", "fine_label", "target")
RANGE = (
    "images must lie in [0, 1], not normalised; a `Normalize` among a data set's transforms has to "
    "go, and its mean and std are given to the model: evaluate(..., mean=, std=)"
)


@dataclass(frozen=True)
class Source:
    """Items by their places, and how one becomes an image."""

    items: Sequence[Any]
    frame: Frame
    """Of pictures that are not tensors or arrays yet."""
    labels: Sequence[int] | None = None

    def sample(self, index: int) -> Sample:
        """Return an item's image. Raises ImageError where it is none."""
        item = self.items[index]
        picture, label = _parts(item)
        if self.labels is not None:
            label = int(self.labels[index])
        return Sample(image_id(index), _image(picture, self.frame), label)


@dataclass(frozen=True, kw_only=True)
class GivenImages:
    """Images that were handed over; they have no other name than their own bytes."""

    id: str
    """sha256 of all of them and their labels, or what their owner calls them."""
    images: int
    classes: tuple[str, ...] = ()
    source: InitVar[Source | None] = None

    def __post_init__(self, source: Source | None) -> None:
        object.__setattr__(self, "source", source)

    def open(self) -> GivenDataset:
        return GivenDataset(self, cast(Source, getattr(self, "source")))  # noqa: B009


class GivenDataset:
    """The data set of a `GivenImages`."""

    def __init__(self, config: GivenImages, source: Source) -> None:
        self._source = source
        self._index = {image_id(index): index for index in range(config.images)}
        self.image_ids = tuple(self._index)
        self.class_names = config.classes
        self.fingerprint = fingerprint(["given 1", config.id])
        height, width = source.sample(0).image_CHW.shape[1:]
        self.input_size = (height, width)

    def load(self, image_id: str) -> Sample:
        sample = self._source.sample(self._index[image_id])
        if sample.image_CHW.shape[1:] != self.input_size:
            raise ImageError(
                f"it is {tuple(sample.image_CHW.shape[1:])} pixels, and the first image is "
                f"{self.input_size}; give all one size"
            )
        return sample


def datasets_of(
    data: object, *, labels: Sequence[int] | None, images: int | None, frame: Frame
) -> dict[str, Any]:
    """Return the data sets of a benchmark.

    Args:
        data: one, or a mapping of names to some: images as a tensor (B, C, H, W) in [0, 1] or an
            array (B, H, W, C) of bytes, a pair of them and their labels, a data set of PyTorch or
            Hugging Face, a DataLoader (its data set, in order), a folder of pictures, a configured
            data set or its name.
        labels: of the images, where they come without.
        images: at most so many.
        frame: what pictures become that are no arrays.

    Raises:
        UserError: something else, images outside [0, 1], or such as differ when read again.
    """
    several = isinstance(data, Mapping)
    named = data if isinstance(data, Mapping) else {_name(data): data}
    if several and labels is not None:
        raise UserError("labels: of several data sets, give each as a pair (images, labels)")
    return {
        str(name): _dataset(item, f"data.{name}", labels, images, frame)
        for name, item in named.items()
    }


def _dataset(
    item: object, what: str, labels: Sequence[int] | None, images: int | None, frame: Frame
) -> Any:
    thing, own_id = (item.thing, item.id) if isinstance(item, Named) else (item, None)
    if isinstance(thing, str) and thing in DATASETS:
        thing = cast(Any, lookup("dataset", thing, DATASETS))()
    if isinstance(thing, str | Path):
        return ImageFolder(root=str(thing), images=images, size=(frame.height, frame.width))
    if hasattr(thing, "open") and hasattr(thing, "__dataclass_fields__"):
        return thing if images is None else replace(cast(Any, thing), images=images)
    source = _source(thing, labels, frame, what)
    count = len(source.items) if images is None else min(images, len(source.items))
    if count < 1:
        raise UserError(f"{what}: wanted at least one image, got {count}")
    if source.labels is not None and len(source.labels) != len(source.items):
        raise UserError(f"{what}: {len(source.labels)} labels came with {len(source.items)} images")
    try:
        first, again = source.sample(0), source.sample(0)
    except ImageError as error:
        raise UserError(f"{what}: the first image: {error}") from error
    if not torch.equal(first.image_CHW, again.image_CHW):
        raise UserError(
            f"{what}: its first image is another one each time it is read, as by a random "
            "transform; take the transforms of a validation set"
        )
    known = tuple(str(name) for name in _class_names(thing))
    own_id = own_id or _read_through(source, count)
    return GivenImages(id=own_id, images=count, classes=known, source=source)


def _source(thing: object, labels: Sequence[int] | None, frame: Frame, what: str) -> Source:
    if isinstance(thing, tuple) and len(thing) == 2 and labels is None:
        thing, labels = thing
    if isinstance(thing, torch.utils.data.DataLoader):
        thing = thing.dataset
    if isinstance(labels, Tensor | np.ndarray):
        labels = labels.tolist()
    if isinstance(thing, Tensor | np.ndarray) and thing.ndim != 4:
        raise UserError(
            f"{what}: images must have shape (B, C, H, W), or (B, H, W, C) as an array of bytes, "
            f"got {tuple(thing.shape)}"
        )
    if not hasattr(thing, "__len__") and hasattr(thing, "__iter__"):
        thing = list(cast(Iterable[Any], thing))
    if not (hasattr(thing, "__len__") and hasattr(thing, "__getitem__")):
        raise UserError(
            f"{what}: got a {type(thing).__name__}, wanted a tensor of images, an array, a data "
            "set of PyTorch or Hugging Face, a DataLoader, or a folder of pictures"
        )
    return Source(cast(Sequence[Any], thing), frame, labels)


def _parts(item: Any) -> tuple[Any, int | None]:
    """Return the picture and the label of an item."""
    if isinstance(item, Mapping):
        picture = next((item[key] for key in IMAGE_KEYS if key in item), None)
        label = next((item[key] for key in LABEL_KEYS if key in item), None)
        if picture is None:
            raise ImageError(f"it has {', '.join(map(str, item))}, and none of {IMAGE_KEYS}")
        return picture, _label(label)
    if isinstance(item, tuple | list):
        return item[0], _label(item[1] if len(item) > 1 else None)
    return item, None


def _label(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None  # several labels, or words


def _image(picture: Any, frame: Frame) -> Tensor:
    """Return image_CHW of a picture, a tensor or an array."""
    if isinstance(picture, Image.Image):
        rgb = picture.convert("RGB")
        return frame.of(*rgb.size).image(rgb)
    if isinstance(picture, np.ndarray):
        array = torch.from_numpy(np.ascontiguousarray(picture))
        array = array[..., None] if array.ndim == 2 else array
        is_channels_last = array.shape[-1] in {1, 3} and array.shape[0] not in {1, 3}
        picture = array.permute(2, 0, 1) if is_channels_last else array
    if not isinstance(picture, Tensor) or picture.ndim not in {2, 3}:
        raise ImageError(f"got a {type(picture).__name__}, wanted a picture, tensor or array")
    image_CHW = picture[None] if picture.ndim == 2 else picture
    if image_CHW.dtype == torch.uint8:
        return image_CHW.float() / 255
    image_CHW = image_CHW.detach().cpu().float()
    low, high = float(image_CHW.min()), float(image_CHW.max())
    if not (low >= 0 and high <= 1):
        raise ImageError(f"its values lie in [{low:g}, {high:g}]; {RANGE}")
    return image_CHW.contiguous()


def _read_through(source: Source, count: int) -> str:
    """Return the sha256 of all images and labels; what cannot be read counts by its reason."""

    def parts() -> Iterable[str | bytes]:
        for index in range(count):
            try:
                sample = source.sample(index)
            except ImageError as error:
                yield str(error)
                continue
            yield f"{tuple(sample.image_CHW.shape)} {sample.label}"
            yield sample.image_CHW.numpy().tobytes()

    return fingerprint(parts())


def _class_names(thing: object) -> Sequence[Any]:
    """Return the names of a data set's classes, as torchvision and Hugging Face tell them."""
    thing = thing.dataset if isinstance(thing, torch.utils.data.DataLoader) else thing
    features = getattr(thing, "features", None)
    if isinstance(features, Mapping):
        for key in LABEL_KEYS:
            if names := getattr(features.get(key), "names", None):
                return list(cast(Sequence[Any], names))
    found = getattr(thing, "classes", None)
    return list(found) if isinstance(found, list | tuple) else []


def _name(data: object) -> str:
    thing = data.thing if isinstance(data, Named) else data
    if isinstance(thing, torch.utils.data.DataLoader):
        thing = thing.dataset
    if isinstance(thing, str) and thing in DATASETS:
        return thing
    if isinstance(thing, str | Path):
        return Path(thing).name or "pictures"
    if isinstance(thing, Tensor | np.ndarray | tuple | list):
        return "images"
    return type(thing).__name__.lower()
