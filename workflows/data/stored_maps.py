"""Maps that somebody has made elsewhere, read from files: they are scored as any method's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from swag.signals import Signals
from swag.types import Kind

from .base import fingerprint

FORMS = (
    "a folder of .npy files, an .npz, a .parquet file or folder with image_id and saliency, or an "
    ".h5 file, each with a map for every image id"
)


@dataclass(frozen=True, kw_only=True)
class StoredMaps:
    """Maps made elsewhere, one float for each pixel of an image, found by its id.

    In a folder of .npy files an id is the file's path inside it without the ending; in .npz and
    .h5 files it is the array's name; in Parquet it is `image_id`, beside `saliency` (a list of
    numbers, or of rows) and, for a flat list, `height` and `width`, as in this program's own
    explanations. An id that ends as a picture's file does is also found without that ending.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    is_ready_made: ClassVar[bool] = True
    """Of other images, models or classes there are none."""

    root: str = ""
    resize: bool = False
    """Whether maps of another size are made the image's by bilinear interpolation; else they are
    an error."""
    sha256: str = ""
    """Of the files; found by itself."""

    def __post_init__(self) -> None:
        if self.root:
            found = _fingerprint(self.root)
            if self.sha256 not in {"", found}:
                raise ValueError(
                    f"the maps in {self.root} are not those of before; leave sha256 out"
                )
            object.__setattr__(self, "sha256", found)

    def __call__(self, signals: Signals) -> Tensor:
        batch = signals.batch
        maps = [self._map(image_id, batch.image_BCHW.shape[2:]) for image_id in batch.image_ids]
        return torch.stack(maps).to(batch.device)

    def _map(self, image_id: str, size: torch.Size) -> Tensor:
        read, names = _opened(self.root, self.sha256)
        name = next((n for n in (image_id, _without_ending(image_id)) if n in names), None)
        if name is None:
            some = ", ".join(sorted(names)[:3])
            raise ValueError(f"{self.root} has no map of image {image_id}; it has {some}, ...")
        map_HW = torch.from_numpy(np.array(read(name), np.float32))
        if map_HW.ndim == 3 and 1 in (map_HW.shape[0], map_HW.shape[-1]):
            map_HW = map_HW.squeeze(0 if map_HW.shape[0] == 1 else -1)
        if map_HW.ndim != 2:
            raise ValueError(
                f"the map of {image_id} has shape {tuple(map_HW.shape)}, wanted (H, W)"
            )
        if map_HW.shape == size:
            return map_HW
        if not self.resize:
            raise ValueError(
                f"the map of {image_id} is {tuple(map_HW.shape)} and the image {tuple(size)}; "
                "resize: true interpolates it"
            )
        return torch.nn.functional.interpolate(
            map_HW[None, None], size=tuple(size), mode="bilinear", align_corners=False
        )[0, 0]


Read = Callable[[str], np.ndarray]


@cache
def _opened(root: str, _sha256: str) -> tuple[Read, frozenset[str]]:
    """Return what reads a map, and the names of all."""
    path = Path(root).expanduser()
    if path.suffix == ".npz":
        arrays = np.load(path, allow_pickle=False)
        return arrays.__getitem__, frozenset(arrays.files)
    if path.suffix in {".h5", ".hdf5"}:
        file = import_module("h5py").File(path, "r")
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        return (lambda name: np.asarray(file[name])), frozenset(names)
    if any(file.suffix == ".parquet" for file in _files(root)):
        rows = {name: row for file in _files(root) for name, row in _rows(file)}
        return rows.__getitem__, frozenset(rows)
    found = {str(file.relative_to(path).with_suffix("")): file for file in _files(root)}
    return (lambda name: np.load(found[name], allow_pickle=False)), frozenset(found)


def _rows(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    table = pq.read_table(file)
    if missing := {"image_id", "saliency"} - set(table.column_names):
        raise ValueError(f"{file} has no column {', '.join(sorted(missing))}; wanted {FORMS}")
    for row in table.to_pylist():
        if row["saliency"] is not None:
            values = np.array(row["saliency"], np.float32)
            if values.ndim == 1 and row.get("height"):
                values = values.reshape(row["height"], row["width"])
            yield row["image_id"], values


def _files(root: str) -> list[Path]:
    """Return the files of maps at a place, in the order of their names.

    Raises:
        ValueError: there are none.
    """
    path = Path(root).expanduser()
    if path.is_file() and path.suffix in {".npz", ".parquet", ".h5", ".hdf5"}:
        return [path]
    kinds = (".npy", ".parquet")
    found = {kind: sorted(path.rglob(f"*{kind}")) if path.is_dir() else [] for kind in kinds}
    files = found[".npy"] or found[".parquet"]
    if not files:
        state = "holds none" if path.exists() else "does not exist"
        raise ValueError(f"root {root!r} {state}; wanted {FORMS}")
    return files


def _fingerprint(root: str) -> str:
    def parts() -> Iterator[str | bytes]:
        for file in _files(root):
            yield file.name
            yield file.read_bytes()

    try:
        return fingerprint(parts())
    except OSError as error:
        raise ValueError(f"root {root!r} cannot be read: {error}") from error


def _without_ending(image_id: str) -> str:
    return str(Path(image_id).with_suffix(""))
