"""Images as people have them: the same numbers, whatever they come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from swagflow.data import DigitScenes, Frame, ImageFolder, Resize
from swagflow.errors import ImageError, UserError
from swagflow.front.objects import named
from swagflow.front.pictures import datasets_of

FRAME = Frame.by(8, Resize(shorter=8))
BYTES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
IMAGES = torch.from_numpy(BYTES).permute(0, 3, 1, 2).float() / 255
LABELS = [2, 0, 1, 2]


def opened(data: object, **options: Any) -> Any:
    given = {"labels": None, "images": None, "frame": FRAME, **options}
    (config,) = datasets_of(data, **given).values()
    return config.open()


def contents(data: object, **options: Any) -> tuple[Tensor, list[int | None]]:
    dataset = opened(data, **options)
    samples = [dataset.load(name) for name in dataset.image_ids]
    return torch.stack([sample.image_CHW for sample in samples]), [s.label for s in samples]


class Pictures(Dataset[Any]):
    """As torchvision's data sets: pictures, labels, and names of the classes."""

    classes = ("cat", "dog", "owl")

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        if index >= 4:
            raise IndexError(index)
        return Image.fromarray(BYTES[index]), LABELS[index]


class ClassLabel:
    names = ("cat", "dog", "owl")


class HuggingFace:
    """As `datasets.Dataset`: rows are mappings, features know the classes."""

    features = {"image": None, "label": ClassLabel()}  # noqa: RUF012 - as theirs

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": Image.fromarray(BYTES[index]), "label": LABELS[index]}


class Stream(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(zip(IMAGES, LABELS, strict=True))


@pytest.mark.parametrize(
    "data",
    [
        (IMAGES, torch.tensor(LABELS)),
        (BYTES, LABELS),
        (IMAGES.numpy(), np.array(LABELS)),
        TensorDataset(IMAGES, torch.tensor(LABELS)),
        DataLoader(TensorDataset(IMAGES, torch.tensor(LABELS)), batch_size=3, shuffle=True),
        Pictures(),
        HuggingFace(),
        Stream(),
        [(IMAGES[index], LABELS[index]) for index in range(4)],
        [{"pixel_values": IMAGES[index], "labels": LABELS[index]} for index in range(4)],
    ],
    ids=lambda data: type(data).__name__,
)
def test_whatever_holds_the_images(data: object) -> None:
    images, labels = contents(data)
    torch.testing.assert_close(images, IMAGES)
    assert labels == LABELS


def test_labels_may_come_apart_and_images_be_fewer() -> None:
    assert contents(IMAGES, labels=LABELS)[1] == LABELS
    assert contents(IMAGES)[1] == [None] * 4
    images, labels = contents(IMAGES, labels=LABELS, images=2)
    assert (len(images), labels) == (2, LABELS[:2])


def test_names_of_classes_are_found() -> None:
    assert opened(Pictures()).class_names == ("cat", "dog", "owl")
    assert opened(HuggingFace()).class_names == ("cat", "dog", "owl")


def test_bytes_are_the_identity() -> None:
    first = opened((IMAGES, LABELS)).fingerprint
    assert opened((IMAGES.clone(), list(LABELS))).fingerprint == first
    assert opened((IMAGES, LABELS[::-1])).fingerprint != first
    assert opened((IMAGES.flip(0), LABELS)).fingerprint != first
    assert opened((IMAGES, LABELS), images=2).fingerprint != first
    own = [opened(named(IMAGES, id="mine"), images=count).fingerprint for count in (2, 4)]
    assert own[0] == own[1] != first


def test_a_folder_and_a_configured_set_are_what_they_are(tmp_path: Path) -> None:
    for index, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        Image.fromarray(BYTES[index]).save(tmp_path / name / "x.png")
    dataset = opened(str(tmp_path))
    assert isinstance(dataset.config, ImageFolder)
    assert sorted(dataset.image_ids) == ["a/x.png", "b/x.png"]
    found = datasets_of("digit_scenes", labels=None, images=3, frame=FRAME)
    assert found == {"digit_scenes": DigitScenes(images=3)}


def test_one_size_for_all() -> None:
    images = [IMAGES[0], torch.zeros(3, 4, 4)]
    with pytest.raises(ImageError, match=r"it is \(4, 4\) pixels, and the first image is \(8, 8\)"):
        contents(images)


class Drawn(Dataset[Any]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Tensor:
        return torch.rand(3, 8, 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Drawn(), "another one each time it is read"),
        (IMAGES * 2 - 1, r"lie in \[-1, .*mean and std are given to the model"),
        (IMAGES[0], r"\(B, C, H, W\)"),
        ([{"picture": IMAGES[0]}], "it has picture, and none of"),
        ([], "at least one image"),
        ((IMAGES, [1]), "1 labels came with 4 images"),
        (object(), "got a object, wanted a tensor"),
    ],
)
def test_what_is_no_image_is_said(data: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        opened(data)
