"""Data sets by the names that configurations use."""

from workflows.data.base import Dataset, DatasetConfig, Sample, load_image
from workflows.data.digit_scenes import DigitScenes
from workflows.data.folder import ImageFolder

DATASETS: dict[str, type[DatasetConfig]] = {
    "digit_scenes": DigitScenes,
    "image_folder": ImageFolder,
}

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetConfig",
    "DigitScenes",
    "ImageFolder",
    "Sample",
    "load_image",
]
