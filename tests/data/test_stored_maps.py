"""Maps from files: found by image, refused where they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from swag.classifier import Classifier
from swag.signals import Signals
from swag.types import Batch
from swagflow.config.load import resolve
from swagflow.data import StoredMaps
from swagflow.errors import UserError
from tests.support.plugins import toy_cnn
from tests.support.runs import Runner, changed

IDS = ("square/0", "square/1.png", "square/2")
Maps = Mapping[str, np.ndarray]


def folder(root: Path, maps: Maps) -> Path:
    for name, map_HW in maps.items():
        (root / "maps" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / "maps" / name.removesuffix(".png"), map_HW)
    return root / "maps"


def npz(root: Path, maps: Maps) -> Path:
    np.savez(root / "maps.npz", **dict(maps))  # type: ignore[arg-type]
    return root / "maps.npz"


def parquet(root: Path, maps: Maps) -> Path:
    table = pa.table({"image_id": list(maps), "saliency": [m.tolist() for m in maps.values()]})
    pq.write_table(table, root / "maps.parquet")
    return root / "maps.parquet"


def hdf5(root: Path, maps: Maps) -> Path:
    with h5py.File(root / "maps.h5", "w") as file:
        for name, map_HW in maps.items():
            file[name] = map_HW
    return root / "maps.h5"


FORMS: list[Callable[[Path, Maps], Path]] = [folder, npz, parquet, hdf5]


@pytest.fixture
def maps() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.random((8, 6)).astype(np.float32) for name in IDS}


def signals(size: tuple[int, int] = (8, 6), ids: tuple[str, ...] = IDS) -> Signals:
    model = toy_cnn().eval().requires_grad_(requires_grad=False)
    return Signals(Classifier(model), Batch(torch.rand(len(ids), 3, *size), ids))


@pytest.mark.parametrize("write", FORMS)
def test_every_form_is_read(
    write: Callable[[Path, Maps], Path], tmp_path: Path, maps: dict[str, np.ndarray]
) -> None:
    stored = StoredMaps(root=str(write(tmp_path, maps)))
    found_BHW = stored(signals())
    np.testing.assert_array_equal(found_BHW, np.stack(list(maps.values())))
    assert len(stored.sha256) == 64


@pytest.mark.parametrize("write", FORMS)
def test_other_maps_are_another_explainer(
    write: Callable[[Path, Maps], Path], tmp_path: Path, maps: dict[str, np.ndarray]
) -> None:
    first = StoredMaps(root=str(write(tmp_path, maps)))
    again = StoredMaps(root=first.root)
    assert first == again
    maps[IDS[0]] = maps[IDS[0]] + 1
    other = StoredMaps(root=str(write(tmp_path, maps)))
    assert other.sha256 != first.sha256
    np.testing.assert_array_equal(other(signals())[0], maps[IDS[0]])


def test_a_missing_map_is_named(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    del maps["square/2"]
    stored = StoredMaps(root=str(npz(tmp_path, maps)))
    with pytest.raises(ValueError, match=r"has no map of image square/2; it has square/0"):
        stored(signals())


def test_a_size_is_changed_only_when_asked(tmp_path: Path, maps: dict[str, np.ndarray]) -> None:
    root = str(npz(tmp_path, maps))
    with pytest.raises(ValueError, match=r"is \(8, 6\) and the image \(16, 12\); resize: true"):
        StoredMaps(root=root)(signals((16, 12)))
    resized_BHW = StoredMaps(root=root, resize=True)(signals((16, 12)))
    assert resized_BHW.shape == (3, 16, 12)
    np.testing.assert_allclose(
        resized_BHW.mean((1, 2)), [m.mean() for m in maps.values()], atol=0.02
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "explainers.theirs: set root, where the maps are"),
        ({"root": "/nowhere"}, "explainers.theirs.*'/nowhere' does not exist; wanted a folder"),
        ({"roof": "x"}, "did you mean 'root'"),
    ],
)
def test_a_configuration_says_what_is_wrong(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(changed(explainers={"theirs": {"type": "stored_maps", **fields}}))


@pytest.mark.usefixtures("quick_report")
def test_a_runs_own_maps_score_as_they_did(runner: Runner, tmp_path: Path) -> None:
    assert runner() == 0
    before = runner.scores()
    before = before[before["explainer"] == "swag"].set_index("image_id")["value"]
    root = runner.folder / "explanations" / "dataset=squares" / "model=toy" / "explainer=swag"
    other = Runner(tmp_path / "other")
    other.folder.parent.mkdir()
    assert other(explainers={"theirs": {"type": "stored_maps", "root": str(root)}}) == 0
    after = other.scores().set_index("image_id")["value"]
    assert after.sort_index().tolist() == before.sort_index().tolist()
