"""Images per second of the loader alone, beside ResNet50's forward passes that it must feed.

    python -m benchmarks.loader [--images 32] [--threads 1]

The pictures are photographs of scikit-image as JPEG files of 500x375, as most of ImageNet's.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from PIL import Image

from benchmarks.measure import synchronise
from swag.models import ModelSpec, load_classifier
from swagflow.data import ImageFolder
from swagflow.forecast.model_speed import forward_seconds, full_pass
from swagflow.forecast.rehearsal import clock, photographs
from swagflow.hardware import default_device, device_name, tune_allocator

SIZE = (224, 224)


def write_pictures(folder: Path, count: int) -> None:
    image_BCHW = photographs(4, (375, 500))
    for index in range(count):
        pixels_HWC = (image_BCHW[index % 4].permute(1, 2, 0) * 255).byte().numpy()
        Image.fromarray(pixels_HWC).save(folder / f"{index:04d}.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    tune_allocator()
    torch.set_num_threads(arguments.threads)
    device = default_device()
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), arguments.images)
        dataset = ImageFolder(root=folder).open()
        cpu = torch.device("cpu")
        seconds = clock(lambda: [dataset.load(name) for name in dataset.image_ids], cpu)
    loader = arguments.images / seconds
    spec = ModelSpec(architecture="resnet50", weights="random:0")
    classifier = load_classifier(spec, device=device, batch_size=32)
    synchronise(device)
    forward = 1 / forward_seconds(classifier, full_pass(classifier, SIZE))
    print(f"loader, one thread         {loader:8.1f} images/s")
    print(f"ResNet50 forward at 224    {forward:8.1f} images/s on {device_name(device)}")
    print(f"images ready per pass      {loader / forward:8.2f}")


if __name__ == "__main__":
    main()
