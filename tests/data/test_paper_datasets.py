"""The paper's data sets in their official layouts: labels, boxes, masks, splits, errors."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat

from swagflow.data import CUB200, Flowers102, ImageNet, StanfordDogs
from swagflow.errors import ImageError, UserError
from tests.support import archives
from tests.support.archives import LEFT, SIZE, TOP, labels_of

BUILT: dict[str, tuple[Callable[[Path], Path], type[Any]]] = {
    "imagenet_flat": (archives.imagenet_flat, ImageNet),
    "imagenet_torchvision": (archives.imagenet_torchvision, ImageNet),
    "imagenet_loc": (archives.imagenet_loc, ImageNet),
    "cub200": (archives.cub200, CUB200),
    "stanford_dogs": (archives.stanford_dogs, StanfordDogs),
    "flowers102": (archives.flowers102, Flowers102),
}


@pytest.fixture(scope="module", params=BUILT)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    build, factory = BUILT[request.param]
    return factory(root=str(build(tmp_path_factory.mktemp(request.param))), size=SIZE)


# The contract of a data set


def test_ids_are_unique_and_begin_alike_however_many_are_asked_for(config: Any) -> None:
    everything = list(config.open().image_ids)
    assert len(set(everything)) == len(everything) >= 3
    assert everything != sorted(everything)
    for images in range(1, len(everything) + 2):
        fewer = dataclasses.replace(config, images=images).open()
        assert list(fewer.image_ids) == everything[:images]


def test_the_fingerprint_knows_the_files_and_not_the_number_of_images(config: Any) -> None:
    dataset = config.open()
    assert re.fullmatch("[0-9a-f]{64}", dataset.fingerprint)
    assert dataclasses.replace(config, images=1).open().fingerprint == dataset.fingerprint
    assert dataclasses.replace(config, size=32).open().fingerprint != dataset.fingerprint
    path = dataset.file(dataset.image_ids[0])
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    changed = config.open().fingerprint
    path.write_bytes(content)
    assert changed != dataset.fingerprint == config.open().fingerprint


def test_samples_have_the_contract_s_shapes(config: Any) -> None:
    dataset = config.open()
    for image_id in dataset.image_ids:
        sample = dataset.load(image_id)
        assert sample.image_id == image_id
        assert sample.image_CHW.shape == (3, *dataset.input_size) == (3, SIZE, SIZE)
        assert sample.image_CHW.dtype == torch.float32
        assert 0 <= sample.image_CHW.min() <= sample.image_CHW.max() <= 1
        assert sample.label is not None
        assert 0 <= sample.label < len(dataset.class_names)
        if sample.boxes_N4 is not None:
            assert sample.boxes_N4.dtype == torch.float32
            assert sample.boxes_N4.shape[1:] == (4,)


def test_an_unknown_image_is_an_error_of_that_image(config: Any) -> None:
    with pytest.raises(ImageError, match=r"'no\.jpg' is not in the validation split"):
        config.open().load("no.jpg")


def test_a_truncated_picture_is_an_error_of_that_image(config: Any, tmp_path: Path) -> None:
    root = shutil.copytree(config.root, tmp_path / "copy")
    dataset = dataclasses.replace(config, root=str(root)).open()
    bad, missing, good = dataset.image_ids[:3]
    archives.truncate(dataset.file(bad))
    dataset.file(missing).unlink()
    again = dataclasses.replace(config, root=str(root)).open()
    with pytest.raises(ImageError, match="cannot be decoded"):
        again.load(bad)
    if missing in again.image_ids:  # where a list names it, not the folder
        with pytest.raises(ImageError, match="the file is missing"):
            again.load(missing)
    assert again.load(good).image_id == good


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"split": "test"}, r"`split` must be one of \('train', 'validation'\), got 'test'"),
        ({"size": 0}, "`size` must be at least 1, got 0"),
        ({"images": 0}, "`images` must be at least 1, got 0"),
        (
            {"root": "/nowhere"},
            r"the folder /nowhere is missing\. Wanted is .*Set `root`.*archives are at",
        ),
    ],
)
def test_wrong_settings(config: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config, **fields).open()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (ImageNet, "the folder .*/val is missing.*ILSVRC2012_img_val.tar"),
        (CUB200, "/images is missing.*CUB_200_2011.tgz"),
        (StanfordDogs, "/Images is missing.*lists.tar"),
        (Flowers102, "/jpg is missing.*102flowers.tgz"),
    ],
)
def test_an_empty_folder_says_what_should_be_there(
    factory: type[Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        factory(root=str(tmp_path)).open()


# CUB-200-2011


def test_cub_splits_labels_and_boxes(tmp_path: Path) -> None:
    root = str(archives.cub200(tmp_path))
    names = archives.cub_names()
    validation = CUB200(root=root, size=SIZE).open()
    train = CUB200(root=root, size=SIZE, split="train").open()
    assert sorted(train.image_ids) == [n for i, n in enumerate(names) if i % 4 < 2]
    assert sorted(validation.image_ids) == [n for i, n in enumerate(names) if i % 4 >= 2]
    assert labels_of(validation) == {n: i // 4 for i, n in enumerate(names) if i % 4 >= 2}
    assert validation.class_names == (
        "Black footed Albatross",
        "Laysan Albatross",
        "Sooty Albatross",
    )
    assert train.fingerprint != validation.fingerprint
    # image number 3: x 42, y 10, width 20, height 30
    boxes_N4 = validation.load(names[2]).boxes_N4
    assert boxes_N4 is not None
    assert boxes_N4.tolist() == [[42 - LEFT, 10 - TOP, 62 - LEFT, 40 - TOP]]
    assert validation.load(names[2]).mask_HW is None


@pytest.mark.parametrize("inside", [True, False])
def test_cub_masks_are_the_majority_s(inside: bool, tmp_path: Path) -> None:
    root = archives.cub200(tmp_path)
    config = CUB200(root=str(root), size=SIZE)
    before = config.open().fingerprint
    archives.cub_masks(root / "CUB_200_2011" if inside else root, archives.cub_names())
    dataset = config.open()
    mask_HW = dataset.load(dataset.image_ids[0]).mask_HW
    assert mask_HW is not None
    wanted_HW = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    wanted_HW[10 - TOP : 40 - TOP, 50 - LEFT : 80 - LEFT] = True
    assert torch.equal(mask_HW, wanted_HW)
    assert dataset.fingerprint != before


def test_cub_mask_of_another_size_is_an_error_of_that_image(tmp_path: Path) -> None:
    root = archives.cub200(tmp_path) / "CUB_200_2011"
    archives.cub_masks(root, archives.cub_names())
    name = archives.cub_names()[3]
    archives.picture(root / "images" / name, 90, 64)
    with pytest.raises(ImageError, match="the mask is 128x64 pixels and the image 90x64"):
        CUB200(root=str(root), size=SIZE).open().load(name)
    (root / "segmentations" / name).with_suffix(".png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"mask .*\.png: the file is not an image"):
        CUB200(root=str(root), size=SIZE).open().load(name)


def test_cub_boxes_count_in_the_fingerprint(tmp_path: Path) -> None:
    root = archives.cub200(tmp_path)
    before = CUB200(root=str(root)).open().fingerprint
    path = root / "CUB_200_2011" / "bounding_boxes.txt"
    path.write_text(path.read_text().replace("30.0", "31.0"))
    assert CUB200(root=str(root)).open().fingerprint != before


@pytest.mark.parametrize(
    ("title", "lines", "message"),
    [
        ("images", None, "images.txt is missing"),
        ("train_test_split", ["1 1"], "it is about 1 images, and images.txt about 12"),
        ("image_class_labels", [f"{i} 4" for i in range(1, 13)], r"class 4 is not one of 1\.\.3"),
        ("bounding_boxes", [f"{i} 1 2 3" for i in range(1, 13)], "'1 2 3' is no box"),
        ("classes", ["2 002.B", "1 001.A"], "its 2 classes are not numbered from 1"),
        ("images", ["1 a.jpg", "2"], "line 2 has no second word"),
    ],
)
def test_cub_lists_that_are_wrong(
    title: str, lines: list[str] | None, message: str, tmp_path: Path
) -> None:
    root = archives.cub200(tmp_path)
    path = root / "CUB_200_2011" / f"{title}.txt"
    if lines is None:
        path.unlink()
    else:
        archives.write_lines(path, lines)
    with pytest.raises(UserError, match=message):
        CUB200(root=str(root)).open()


# Stanford Dogs


@pytest.mark.parametrize("lists", ["", "lists"])
def test_dogs_splits_labels_and_boxes(lists: str, tmp_path: Path) -> None:
    root = str(archives.stanford_dogs(tmp_path, lists))
    names = archives.dog_names()
    validation = StanfordDogs(root=root, size=SIZE).open()
    train = StanfordDogs(root=root, size=SIZE, split="train").open()
    assert sorted(validation.image_ids) == sorted(names[2::3])
    assert set(train.image_ids) == set(names) - set(names[2::3])
    assert labels_of(train)[names[4]] == 1
    assert validation.class_names == ("Chihuahua", "Japanese spaniel", "Staffordshire bullterrier")
    boxes_N4 = validation.load(names[2]).boxes_N4
    assert boxes_N4 is not None
    assert boxes_N4.tolist() == [[50 - LEFT, 10 - TOP, 80 - LEFT, 40 - TOP]]


def test_dogs_without_annotations_have_no_boxes(tmp_path: Path) -> None:
    root = archives.stanford_dogs(tmp_path)
    before = StanfordDogs(root=str(root), size=SIZE).open().fingerprint
    shutil.rmtree(root / "Annotation")
    dataset = StanfordDogs(root=str(root), size=SIZE).open()
    assert dataset.load(dataset.image_ids[0]).boxes_N4 is None
    assert dataset.fingerprint != before


def test_dogs_lists_that_are_wrong(tmp_path: Path) -> None:
    root = archives.stanford_dogs(tmp_path)
    names = list(enumerate(archives.dog_names()))
    savemat(root / "test_list.mat", {**archives.dog_list(names), "labels": np.ones(2)})
    with pytest.raises(UserError, match="it has 9 files and 2 labels"):
        StanfordDogs(root=str(root)).open()
    savemat(root / "test_list.mat", {**archives.dog_list(names), "labels": np.full(9, 4.0)})
    with pytest.raises(UserError, match=r"class 4 is not one of 1\.\.3"):
        StanfordDogs(root=str(root)).open()
    savemat(root / "file_list.mat", archives.dog_list(names[3:]))
    with pytest.raises(UserError, match="its 2 classes are not numbered from 1"):
        StanfordDogs(root=str(root)).open()
    (root / "file_list.mat").unlink()
    with pytest.raises(UserError, match=r"file_list\.mat is missing"):
        StanfordDogs(root=str(root)).open()


# Flowers 102


def test_flowers_splits_and_labels(tmp_path: Path) -> None:
    root = str(archives.flowers102(tmp_path / "flowers-102").parent)
    validation = Flowers102(root=root, size=SIZE).open()
    train = Flowers102(root=root, size=SIZE, split="train").open()
    assert sorted(validation.image_ids) == [f"image_0000{i}.jpg" for i in (7, 8, 9)]
    assert sorted(train.image_ids) == [f"image_0000{i}.jpg" for i in (1, 2, 3, 4, 5, 6)]
    assert labels_of(train)["image_00005.jpg"] == 0
    assert labels_of(validation)["image_00009.jpg"] == 101
    assert len(validation.class_names) == 102
    assert validation.class_names[76] == "passion flower"


def test_flowers_masks_are_what_is_not_blue(tmp_path: Path) -> None:
    root = archives.flowers102(tmp_path)
    archives.flower_mask(root, 7)
    dataset = Flowers102(root=str(root), size=SIZE).open()
    mask_HW = dataset.load("image_00007.jpg").mask_HW
    assert mask_HW is not None
    wanted_HW = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    wanted_HW[16 - TOP : 48 - TOP, 48 - LEFT : 80 - LEFT] = True
    assert torch.equal(mask_HW, wanted_HW)  # JPEG's 8x8 blocks end where the flower does
    assert dataset.load("image_00008.jpg").mask_HW is None


def test_flowers_lists_that_are_wrong(tmp_path: Path) -> None:
    root = archives.flowers102(tmp_path)
    savemat(root / "setid.mat", {"tstid": [[1, 10]], "trnid": [[1]], "valid": [[2]]})
    with pytest.raises(UserError, match=r"it names image 10, and imagelabels\.mat has 9"):
        Flowers102(root=str(root)).open()
    savemat(root / "imagelabels.mat", {"labels": [[103] * 10]})
    with pytest.raises(UserError, match=r"class 103 is not one of 1\.\.102"):
        Flowers102(root=str(root)).open()
    savemat(root / "setid.mat", {"tstid": np.zeros((1, 0)), "trnid": [[1]], "valid": [[2]]})
    with pytest.raises(UserError, match="any picture of the validation split is missing"):
        Flowers102(root=str(root)).open()
