"""Small trees in the layouts of the official archives, with real lists, XML and MATLAB files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from swagflow.data import DATASETS, Dataset

SIZE = 56  # the shorter side becomes 64, so pictures of 128x64 are not resized
LEFT, TOP = 36, 4  # what the centre cut takes away of 128x64
WNIDS = ("n01440764", "n02105855", "n03995372")
WORDS = ("tench, Tinca tinca", "Shetland sheepdog, Shetland", "power drill")


def picture(path: Path, width: int = 128, height: int = 64, seed: int = 0) -> None:
    """Write a smooth picture, so that JPEG keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, size=(4, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR).save(
        path, format="JPEG", quality=95
    )


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def opened(name: str, **fields: Any) -> Dataset:
    """Return a data set by its name and its fields, which are not the same for each."""
    config: Any = DATASETS[name]
    dataset: Dataset = config(**fields).open()
    return dataset


def labels_of(dataset: Any) -> dict[str, int]:
    """Return the label of each image of a data set."""
    return {image_id: dataset.load(image_id).label for image_id in dataset.image_ids}


def write_lines(path: Path, lines: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def annotation(
    boxes: Sequence[tuple[str, int, int, int, int]], size: tuple[int, int] = (128, 64)
) -> str:
    """Return the XML of ImageNet and Stanford Dogs."""
    objects = "".join(
        f"""
	<object>
		<name>{name}</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>{x0}</xmin>
			<ymin>{y0}</ymin>
			<xmax>{x1}</xmax>
			<ymax>{y1}</ymax>
		</bndbox>
	</object>"""
        for name, x0, y0, x1, y1 in boxes
    )
    return f"""<annotation>
	<folder>val</folder>
	<filename>ILSVRC2012_val_00000001</filename>
	<source>
		<database>ILSVRC_2012</database>
	</source>
	<size>
		<width>{size[0]}</width>
		<height>{size[1]}</height>
		<depth>3</depth>
	</size>
	<segmented>0</segmented>{objects}
</annotation>
"""


def imagenet_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


# The class of each validation image, as places in WNIDS.
IMAGENET_TRUTH = (2, 0, 1, 1, 0, 2)


def development_kit(root: Path) -> None:
    """Write meta.mat and the ground truth; the kit's own numbers are not in the order of WNIDS."""
    data = root / "ILSVRC2012_devkit_t12" / "data"
    kit_order = (1, 2, 0)  # kit number 1 is WNIDS[1], and so on
    rows: list[tuple[Any, ...]] = [
        (i + 1, WNIDS[c], WORDS[c], "gloss", 0, [], 0, 1300) for i, c in enumerate(kit_order)
    ]
    rows.append((4, "n00001740", "entity", "gloss", 3, [1, 2, 3], 1, 0))
    named = "ILSVRC2012_ID WNID words gloss num_children children wordnet_height num_train_images"
    fields = named.split()
    synsets = np.empty((len(rows), 1), dtype=[(field, object) for field in fields])
    for place, row in enumerate(rows):
        for field, value in zip(fields, row, strict=True):
            synsets[place, 0][field] = value
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets})
    numbers = [kit_order.index(c) + 1 for c in IMAGENET_TRUTH]
    write_lines(data / "ILSVRC2012_validation_ground_truth.txt", numbers)


def imagenet_flat(root: Path, folder: str = "val") -> Path:
    for number in range(1, len(IMAGENET_TRUTH) + 1):
        picture(root / folder / imagenet_name(number), seed=number)
    development_kit(root)
    return root


def imagenet_torchvision(root: Path) -> Path:
    """Write class folders and meta.bin, as torchvision's ImageNet leaves them."""
    for number, c in enumerate(IMAGENET_TRUTH, 1):
        picture(root / "val" / WNIDS[c] / imagenet_name(number), seed=number)
    names = {wnid: tuple(words.split(", ")) for wnid, words in zip(WNIDS, WORDS, strict=True)}
    torch.save((names, [WNIDS[c] for c in IMAGENET_TRUTH]), root / "meta.bin")
    return root


def imagenet_loc(root: Path) -> Path:
    """Write the layout of the localisation challenge's archive."""
    pictures = root / "ILSVRC" / "Data" / "CLS-LOC"
    solution = ["ImageId,PredictionString"]
    for number, c in enumerate(IMAGENET_TRUTH, 1):
        picture(pictures / "val" / imagenet_name(number), seed=number)
        solution.append(f"{imagenet_name(number)[:-5]},{WNIDS[c]} 85 1 99 72 {WNIDS[c]} 0 0 9 9 ")
    for wnid in WNIDS:
        for number in range(2):
            picture(pictures / "train" / wnid / f"{wnid}_{number}.JPEG", seed=number)
    lines = [f"{wnid} {words}" for wnid, words in zip(WNIDS, WORDS, strict=True)]
    write_lines(root / "LOC_synset_mapping.txt", lines)
    write_lines(root / "LOC_val_solution.csv", solution)
    return root


CUB_CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")


def cub_names() -> list[str]:
    return [
        f"{name}/{name[4:]}_{number:04d}_{number + 17}.jpg"
        for name in CUB_CLASSES
        for number in range(4)
    ]


def cub200(root: Path) -> Path:
    """Write CUB_200_2011/ in `root`, images 0 and 1 of each class for training."""
    folder = root / "CUB_200_2011"
    names = cub_names()
    for index, name in enumerate(names):
        picture(folder / "images" / name, seed=index)
    numbered = list(enumerate(names, 1))
    write_lines(folder / "images.txt", [f"{i} {name}" for i, name in numbered])
    write_lines(folder / "classes.txt", [f"{i} {name}" for i, name in enumerate(CUB_CLASSES, 1)])
    write_lines(folder / "image_class_labels.txt", [f"{i} {int(name[:3])}" for i, name in numbered])
    write_lines(
        folder / "train_test_split.txt", [f"{i} {int((i - 1) % 4 < 2)}" for i, _ in numbered]
    )
    write_lines(
        folder / "bounding_boxes.txt", [f"{i} {39.0 + i} 10.0 20.0 30.0" for i, _ in numbered]
    )
    return root


def cub_masks(folder: Path, names: Sequence[str]) -> None:
    """Write segmentations/ with the votes of five annotators."""
    for name in names:
        votes_HW = np.zeros((64, 128), np.uint8)
        votes_HW[10:40, 50:70] = 255
        votes_HW[10:40, 70:80] = 153  # three of five
        votes_HW[10:40, 80:90] = 102  # two of five
        path = (folder / "segmentations" / name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(votes_HW).save(path)


BREEDS = (
    "n02085620-Chihuahua",
    "n02085782-Japanese_spaniel",
    "n02093256-Staffordshire_bullterrier",
)


def dog_names() -> list[str]:
    return [f"{b}/{b[:9]}_{number}.jpg" for b in BREEDS for number in (7, 10, 199)]


def stanford_dogs(root: Path, lists: str = "") -> Path:
    """Write Images/, Annotation/ and the lists; the last of each breed is for testing."""
    names = dog_names()
    for index, name in enumerate(names):
        picture(root / "Images" / name, seed=index)
        path = (root / "Annotation" / name).with_suffix("")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(annotation([("Chihuahua", 50, 10, 79, 39)]))
    (root / lists).mkdir(exist_ok=True)
    everything = list(enumerate(names))
    parts = {
        "file_list": everything,
        "train_list": [(i, name) for i, name in everything if i % 3 < 2],
        "test_list": [(i, name) for i, name in everything if i % 3 == 2],
    }
    for title, part in parts.items():
        savemat(root / lists / f"{title}.mat", dog_list(part))
    return root


def dog_list(part: Sequence[tuple[int, str]]) -> Mapping[str, np.ndarray]:
    files = np.empty((len(part), 1), object)
    notes = np.empty((len(part), 1), object)
    for place, (_, name) in enumerate(part):
        files[place, 0] = name
        notes[place, 0] = name.removesuffix(".jpg")
    labels = np.array([[i // 3 + 1] for i, _ in part], np.float64)
    return {"file_list": files, "annotation_list": notes, "labels": labels}


FLOWER_LABELS = (77, 1, 102, 77, 1, 102, 77, 1, 102)
FLOWER_PARTS = {"trnid": [1, 2, 3], "valid": [6, 5, 4], "tstid": [9, 7, 8]}


def flowers102(root: Path) -> Path:
    for number in range(1, len(FLOWER_LABELS) + 1):
        picture(root / "jpg" / f"image_{number:05d}.jpg", seed=number)
    savemat(root / "imagelabels.mat", {"labels": np.array([FLOWER_LABELS], np.uint8)})
    parts = {name: np.array([part], np.uint16) for name, part in FLOWER_PARTS.items()}
    savemat(root / "setid.mat", parts)
    return root


def flower_mask(root: Path, number: int) -> None:
    """Write the picture of a yellow flower on the blue that stands for the background."""
    pixels_HWC = np.zeros((64, 128, 3), np.uint8)
    pixels_HWC[..., 2] = 254
    pixels_HWC[16:48, 48:80] = (230, 220, 40)
    path = root / "segmim" / f"segmim_{number:05d}.jpg"
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels_HWC).save(path, quality=90, subsampling=0)
