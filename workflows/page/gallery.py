"""Figure 1: saliencies of a few images, a row each, side by side for all methods."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from swag.channels import LUMA, shown_3HW

from ..errors import ImageError
from ..report.figures import literal
from ..report.names import Labels
from ..report.rendering import STYLE
from ..report.source import Run
from ..store.experiments import Experiment
from ..store.parts import Subject

if TYPE_CHECKING:
    from ..data import Dataset

Bytes = NDArray[np.uint8]
OpenDataset = Callable[[str], "Dataset | None"]

SHOWN_QUANTILE = 0.99  # a few extreme pixels would leave the rest of a pixel method's map black
GAP = 4


@dataclass(frozen=True)
class Shown:
    """One image on one data set and model, and what every method makes of it."""

    dataset: str
    model: str
    image_id: str
    target: str
    """Name of the explained class, or its number."""
    image_HWC: Bytes | None
    """None where the data is not at hand."""
    saliency: Mapping[str, NDArray[np.float32]]


def choose_shown(
    run: Run, experiment: Experiment, open_dataset: OpenDataset, num_images: int
) -> list[Shown]:
    """Return the first images of each data set and model that most methods explained.

    The images of a data set come in a shuffled order, so the first ones are a fair sample and
    nobody chose them.
    """
    scores, methods = run.scores(experiment), experiment.explainers
    found = []
    for (dataset, model), rows in scores.groupby(["dataset", "model"], sort=False, observed=True):
        good = rows[rows["value"].notna()]
        grouped = good.groupby("image_id", sort=False, observed=True)
        counts = grouped["explainer"].nunique()
        chosen = [str(image_id) for image_id in counts.index[counts == counts.max()][:num_images]]
        targets = good.drop_duplicates("image_id").set_index("image_id")["target"]
        wanted = {image_id: int(targets[image_id]) for image_id in chosen}
        found += shown_images(run, Subject(dataset, model), methods, wanted, open_dataset(dataset))
    return found


def shown_images(
    run: Run,
    subject: Subject,
    methods: Sequence[str],
    target_of: Mapping[str, int],
    source: Dataset | None,
) -> list[Shown]:
    """Return images of a data set and model that have a map, in the order of `target_of`.

    Args:
        run: whose.
        subject: the data set and model.
        methods: whose maps are read.
        target_of: the explained class by image id.
        source: the data set, or None where it is not at hand.
    """
    maps = {m: run.store.read_explanations(*subject, m, target_of) for m in methods}
    found = []
    for image_id, target in target_of.items():
        saliency = {m: of_image[image_id] for m, of_image in maps.items() if image_id in of_image}
        if saliency:
            image, label = _picture(source, image_id), class_name(source, target)
            found.append(Shown(*subject, image_id, label, image, saliency))
    return found


def overlay(image_HWC: Bytes | None, saliency_HW: NDArray[np.float32]) -> Bytes:
    """Return the saliency's colours, from minimum to 99th percentile, over the grey image."""
    heat_HW3 = mpl.colormaps["inferno"](stretched(saliency_HW))[..., :3]
    if image_HWC is None:
        return _eight_bit(heat_HW3)
    grey_HW1 = (image_HWC @ np.array(LUMA))[..., None] / 255
    return _eight_bit(0.35 * grey_HW1 + 0.65 * heat_HW3)


def stretched(saliency_HW: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the saliency in [0, 1]; a constant one is 0."""
    low = float(saliency_HW.min())
    extent = float(np.quantile(saliency_HW, SHOWN_QUANTILE)) - low
    extent = extent if extent > 0 else float(saliency_HW.max()) - low
    if extent <= 0:
        return np.zeros(saliency_HW.shape)
    return np.clip((saliency_HW.astype(np.float64) - low) / extent, 0, 1)


def gallery_figure(shown: Sequence[Shown], methods: Sequence[str], labels: Labels) -> Figure:
    """Return the grid of pictures as one figure; an empty tile where a method has no saliency."""
    size = max(saliency.shape for item in shown for saliency in item.saliency.values())
    rows = [_tiles(item, methods, size) for item in shown]
    sheet = np.concatenate([np.concatenate(tiles, axis=1) for tiles in rows], axis=0)
    height, width = (side + GAP for side in size)
    columns = ["Image", *(labels.method(method) for method in methods)]
    with mpl.rc_context(STYLE):
        inches = 0.95
        left, top = 1.3, 0.5
        total = left + inches * len(columns), top + inches * height / width * len(rows)
        figure = Figure(figsize=total, dpi=160)
        axes = figure.add_axes(
            (left / total[0], 0, 1 - left / total[0], 1 - top / total[1]), frameon=False
        )
        axes.imshow(sheet, interpolation="none", aspect="auto")
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        axes.set_xticks((np.arange(len(columns)) + 0.5) * width)
        axes.set_xticklabels([literal(fill(label, 12)) for label in columns], fontsize=8)
        axes.set_yticks((np.arange(len(rows)) + 0.5) * height)
        axes.set_yticklabels([literal(_row_label(item, labels)) for item in shown], fontsize=7)
    return figure


def save_explanation(
    image_CHW: NDArray[np.float32], saliency_HW: NDArray[np.float32], path: Path
) -> None:
    """Write the image and its saliency side by side."""
    image_HWC = to_bytes(image_CHW)
    gap_HWC = np.full((len(image_HWC), GAP, 3), 255, np.uint8)
    sheet = np.concatenate([image_HWC, gap_HWC, overlay(image_HWC, saliency_HW)], axis=1)
    Image.fromarray(sheet).save(path)


def to_bytes(image_CHW: NDArray[np.float32]) -> Bytes:
    """Return an image in [0, 1] as 8-bit pixels, channels last."""
    return _eight_bit(np.moveaxis(shown_3HW(image_CHW), 0, -1))


def jpeg(image: Bytes) -> bytes:
    """Return the file of a small picture."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=82, optimize=True)
    return stream.getvalue()


def _eight_bit(value: NDArray[Any]) -> Bytes:
    rounded: Bytes = np.rint(value * 255).astype(np.uint8)
    return rounded


def _picture(dataset: Dataset | None, image_id: str) -> Bytes | None:
    if dataset is None:
        return None
    try:
        return to_bytes(dataset.load(image_id).image_CHW.numpy())
    except ImageError:
        return None


def class_name(dataset: Dataset | None, target: int) -> str:
    """Return the name of a class, or its number where there is none."""
    if dataset is None or target >= len(dataset.class_names):
        return f"class {target}"
    name = dataset.class_names[target]
    return f"class {name}" if name.isdigit() else name


def _tiles(item: Shown, methods: Sequence[str], size: tuple[int, int]) -> list[Bytes]:
    pictures = [item.image_HWC]
    for method in methods:
        saliency = item.saliency.get(method)
        pictures.append(None if saliency is None else overlay(item.image_HWC, saliency))
    return [_framed(picture, size) for picture in pictures]


def _framed(picture: Bytes | None, size: tuple[int, int]) -> Bytes:
    """Return a tile with a white gap below and at the right."""
    tile = np.full((size[0] + GAP, size[1] + GAP, 3), 255, np.uint8)
    if picture is not None:
        tile[: picture.shape[0], : picture.shape[1]] = picture
    return tile


def _row_label(item: Shown, labels: Labels) -> str:
    return f"{labels.model(item.model, item.dataset)}\n{item.target}"
