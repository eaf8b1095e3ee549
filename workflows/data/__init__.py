"""Data sets by the names that configurations use."""

from workflows.data.base import Dataset, DatasetConfig, Sample, load_image
from workflows.data.cub200 import CUB200
from workflows.data.digit_scenes import DigitScenes
from workflows.data.flowers102 import Flowers102
from workflows.data.folder import ImageFolder
from workflows.data.imagenet import ImageNet
from workflows.data.parquet import ImageParquet
from workflows.data.stanford_dogs import StanfordDogs

DATASETS: dict[str, type[DatasetConfig]] = {
    "digit_scenes": DigitScenes,
    "image_folder": ImageFolder,
    "image_parquet": ImageParquet,
    "imagenet": ImageNet,
    "cub200": CUB200,
    "stanford_dogs": StanfordDogs,
    "flowers102": Flowers102,
}

__all__ = [
    "CUB200",
    "DATASETS",
    "Dataset",
    "DatasetConfig",
    "DigitScenes",
    "Flowers102",
    "ImageFolder",
    "ImageNet",
    "ImageParquet",
    "Sample",
    "StanfordDogs",
    "load_image",
]
