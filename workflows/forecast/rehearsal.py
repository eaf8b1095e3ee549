"""What methods and storage take beside the model, on photographs and with hardly any model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.resources import files
from io import BytesIO
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.curves.ranks import descending_order
from swag.explainers import Centre
from swag.protocols import Explainer, needs_of, segmenter_of
from swag.rng import generator
from swag.signals import Signals
from swag.types import Batch, Kind, Score

from ..data.base import Dataset, read_rgb
from ..data.framing import to_tensor
from ..errors import ImageError
from ..store.parts import Cell, CellName, Maps, Rows
from ..store.run_folder import Store

LONGEST = 2.0
"""Seconds; a pass that would take longer is timed on fewer images."""
_ENOUGH = 0.1
"""Seconds of a measurement, preparations included; at least one repeat comes after the first run
unless that was long."""
_CORNER = 128
"""Pixels; of what is run before superpixels are timed."""
_PIXELS = 110_000
_MOST = 4
"""A method gets images of about so many pixels at a time, and at most so many."""
_PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
_NUM_POINTS = 29  # of a curve


def clock(
    run: Callable[..., object], device: torch.device, prepare: Callable[[], Any] | None = None
) -> float:
    """Return the seconds of `run()`, or of `run(prepare())` without the preparation."""
    seconds: list[float] = []
    begin = time.perf_counter()
    while len(seconds) < 2 or time.perf_counter() - begin < _ENOUGH:
        arguments = () if prepare is None else (prepare(),)
        _synchronise(device)
        start = time.perf_counter()
        run(*arguments)
        _synchronise(device)
        seconds.append(time.perf_counter() - start)
        if seconds[0] > LONGEST / 2:
            return seconds[0]
    return median(seconds[1:])


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@cache
def photographs(count: int, size: tuple[int, int]) -> Tensor:
    """Return image_BCHW in [0, 1], of scikit-image's photographs."""
    height, width = size
    pictures = [
        read_rgb(BytesIO(files("skimage").joinpath("data", name).read_bytes()))
        for name in _PHOTOGRAPHS
    ]
    resized = [p.resize((width, height), Image.Resampling.BILINEAR) for p in pictures]
    return torch.stack([to_tensor(resized[index % len(resized)]) for index in range(count)])


def batch_of(image_BCHW: Tensor) -> Batch:
    """Return images with a box, a mask and a label each."""
    count, _, height, width = image_BCHW.shape
    device = image_BCHW.device
    mask_BHW = torch.zeros(count, height, width, dtype=torch.bool, device=device)
    mask_BHW[:, height // 4 : height // 2, width // 4 : width // 2] = True
    box_14 = torch.tensor([[width // 4, height // 4, width // 2, height // 2]])
    return Batch(
        image_BCHW=image_BCHW,
        image_ids=tuple(str(index) for index in range(count)),
        label_B=torch.zeros(count, dtype=torch.int64, device=device),
        boxes=(box_14.float(),) * count,
        mask_BHW=mask_BHW,
    )


def probe(device: torch.device, batch_size: int) -> Classifier:
    """Return a classifier of a few parameters, with what every explainer looks for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, stride=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 10),
        )
    frozen = model.eval().requires_grad_(requires_grad=False).to(device)
    return Classifier(frozen, batch_size=batch_size)


def first_pictures(dataset: Dataset) -> Tensor | None:
    """Return a few of a data set's first images, None where none can be decoded."""
    height, width = dataset.input_size
    images: list[Tensor] = []
    for image_id in dataset.image_ids[: 2 * _MOST]:
        if len(images) < min(max(1, _PIXELS // (height * width)), _MOST):
            with suppress(ImageError):
                images.append(dataset.load(image_id).image_CHW)
    return torch.stack(images) if images else None


def method(
    subject: Any,
    image_BCHW: Tensor,
    batch_size: int,
    device: torch.device,
    *,
    is_rest: bool = False,
) -> float:
    """Return an image's seconds in an explainer or metric with the probe for a model.

    More images than there are threads would take longer and tell the same.

    Args:
        is_rest: what of it others of a batch may have done has been done.
    """
    batch = batch_of(image_BCHW[: max(2, torch.get_num_threads())].to(device))
    classifier = probe(device, batch_size)

    def run(signals: Signals) -> object:
        if isinstance(subject, Explainer):
            return subject(signals).cpu()
        # One that explains again asks for nothing here: what that costs is the explainer's.
        return subject(signals.of_explainer(Centre()), batch.image_BCHW.mean(1))

    def prepare() -> Signals:
        signals = _prepared(subject, classifier, batch)
        if is_rest:
            run(signals)
        return signals

    return clock(run, device, prepare) / len(batch)


def superpixels(segmenter: Any, image_BCHW: Tensor, device: torch.device) -> float:
    """Return the seconds of an image's superpixels.

    What is compiled at its first call is compiled on a corner of a picture: of a long first call
    on all of them it could not be told.
    """
    batch = batch_of(image_BCHW.to(device))
    classifier = probe(device, len(batch))
    corner = batch_of(image_BCHW[:1, :, :_CORNER, :_CORNER].to(device))
    _signals(segmenter, classifier, corner).segments(segmenter)
    prepare = lambda: _signals(segmenter, classifier, batch)  # noqa: E731
    return clock(lambda s: s.segments(segmenter).cpu(), device, prepare) / len(batch)


def _signals(item: Any, classifier: Classifier, batch: Batch) -> Signals:
    """Return signals whose passes for an explainer, metric or segmenter have been run."""
    signals = Signals(classifier, batch, needs_of(item))
    signals.target_B  # noqa: B018 - a property that runs the passes
    return signals


def _prepared(subject: Any, classifier: Classifier, batch: Batch) -> Signals:
    signals = _signals(subject, classifier, batch)
    if (segmenter := segmenter_of(subject)) is not None:
        signals.segments(segmenter)
    return signals


def loading(dataset: Dataset) -> float:
    """Return the seconds of an image's decoding, of a few of a data set's first images."""
    start = time.perf_counter()
    ids = dataset.image_ids[:9]
    for number, image_id in enumerate(ids):
        try:
            dataset.load(image_id)
        except ImageError:
            continue
        if number == 0 and len(ids) > 1:
            start = time.perf_counter()  # the first one opens what the others find open
    return (time.perf_counter() - start) / max(len(ids) - 1, 1)


def masks(kind: Kind, size: tuple[int, int], count: int) -> float:
    """Return an image's share of a stored part of saliencies."""
    maps = Maps(_saliency(kind, size, count), 0.0, kind)
    return _stored(
        lambda store: store.write_explanations(_CELL, (0, count - 1), _rows(count), maps)
    ) / (count)


def scores(count: int) -> float:
    """Return the seconds of a part of scores."""
    score = Score(torch.zeros(count, dtype=torch.float64), torch.rand(count, _NUM_POINTS))
    return _stored(lambda store: store.write_scores(_CELL, (0, count - 1), _rows(count), score))


def ranks(size: tuple[int, int]) -> float:
    """Return the seconds in which a stored saliency is read and its pixels are ranked."""
    count = 8
    maps = Maps(_saliency("region", size, count), 0.0, "region")

    def write(store: Store) -> None:
        store.write_explanations(_CELL, (0, count - 1), _rows(count), maps)

    def read(store: Store) -> None:
        for saliency_HW in store.read_part(_CELL.part(0, count - 1)).values():
            descending_order(torch.from_numpy(saliency_HW.reshape(1, -1).copy()))

    return _stored(read, write) / count


_CELL = Cell(CellName("data", "model", "explainer", None), "0" * 64)


def _rows(count: int) -> Rows:
    return Rows([str(index) for index in range(count)], [None] * count, [0] * count)


def _saliency(kind: Kind, size: tuple[int, int], count: int) -> np.ndarray:
    """Return saliency_BHW: noise in single pixels, or in blocks where methods make regions."""
    noise_BHW = generator(0, kind, "rehearsal").random((count, *size), dtype=np.float32)
    if kind != "region":
        return noise_BHW
    coarse_BHW = noise_BHW[:, ::8, ::8].repeat(8, 1).repeat(8, 2)
    return np.ascontiguousarray(coarse_BHW[:, : size[0], : size[1]])


def _stored(
    run: Callable[[Store], object], before: Callable[[Store], object] | None = None
) -> float:
    """Return the seconds of `run` on a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        if before is not None:
            before(store)
        return clock(lambda: run(store), torch.device("cpu"))
