"""Data sets by the names that configurations use."""

from .base import Dataset, DatasetConfig, Sample, load_image
from .cub200 import CUB200
from .digit_scenes import DigitScenes
from .flowers102 import Flowers102
from .folder import ImageFolder
from .framing import Frame, Resize
from .imagenet import ImageNet
from .parquet import ImageParquet
from .photographs import PackagedPhotographs
from .stanford_dogs import StanfordDogs
from .stored_maps import StoredMaps

DATASETS: dict[str, type[DatasetConfig]] = {
    "digit_scenes": DigitScenes,
    "photographs": PackagedPhotographs,
    "image_folder": ImageFolder,
    "image_parquet": ImageParquet,
    "imagenet": ImageNet,
    "cub200": CUB200,
    "stanford_dogs": StanfordDogs,
    "flowers102": Flowers102,
}

MAPS = {"stored_maps": StoredMaps()}
"""Explainers that read what was made elsewhere."""

__all__ = [
    "CUB200",
    "DATASETS",
    "MAPS",
    "Dataset",
    "DatasetConfig",
    "DigitScenes",
    "Flowers102",
    "Frame",
    "ImageFolder",
    "ImageNet",
    "ImageParquet",
    "PackagedPhotographs",
    "Resize",
    "Sample",
    "StanfordDogs",
    "StoredMaps",
    "load_image",
]
