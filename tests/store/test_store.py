"""The store's contract: lossless, readable by anything, complete parts only."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from swag.types import Score
from swagflow.errors import StorageError, UserError
from swagflow.store.failures import forget_errors
from swagflow.store.parts import Cell, CellName, Maps, Rows
from swagflow.store.run_folder import Store

MASKS = Cell(CellName("data", "net", "swag", None), "ab" * 32)
SCORES = Cell(CellName("data", "net", "swag", "deletion"), "cd" * 32)
ROWS = Rows(["a", "b", "c"], [None, "the file ends too early", None], [4, None, 7])


def saliency(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((2, 5, 4)).astype(np.float32)


@pytest.mark.parametrize("kind", ["region", "pixel", "control"])
def test_masks_come_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    store = Store(str(tmp_path))
    maps_BHW = saliency(np.random.default_rng(0))
    maps_BHW[0, 0, 0] = -0.0
    store.write_explanations(MASKS, (0, 2), ROWS, Maps(maps_BHW, 0.25, kind))  # type: ignore[arg-type]
    read = store.read_explanations("data", "net", "swag")
    assert list(read) == ["a", "c"]
    assert read["a"].tobytes() == maps_BHW[0].tobytes()
    assert read["c"].tobytes() == maps_BHW[1].tobytes()
    assert list(store.read_explanations("data", "net", "swag", ["c"])) == ["c"]
    assert store.read_part(store.parts()[0].path).keys() == {"a", "c"}


def test_the_contract_of_explanations(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    maps_BHW = saliency(np.random.default_rng(1))
    store.write_explanations(MASKS, (6, 8), ROWS, Maps(maps_BHW, 0.25, "region"))
    (part,) = store.parts()
    assert part.path.startswith("explanations/dataset=data/model=net/explainer=swag/000006-000008-")
    assert (part.first, part.last) == (6, 8)
    frame = pd.read_parquet(tmp_path / "explanations")
    assert list(frame.columns[:7]) == [
        "image_id", "target", "height", "width", "saliency", "seconds", "error",
    ]  # fmt: skip
    assert frame["explainer"].tolist() == ["swag"] * 3
    assert frame["height"].tolist()[0] == 5
    assert math.isnan(frame["height"].tolist()[1])
    assert frame["error"].tolist()[1] == "the file ends too early"
    metadata = pq.read_metadata(tmp_path / part.path).metadata
    assert metadata[b"swagflow.cell_key"] == MASKS.key.encode()


def test_the_contract_of_scores(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    score = Score(
        value_B=torch.tensor([0.25, math.nan], dtype=torch.float64),
        curve_BT=torch.tensor([[1.0, 0.5], [0.25, 0.0]]),
        columns={
            "iou": torch.tensor([0.5, math.nan], dtype=torch.float64),
            "box": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]),
        },
    )
    store.write_scores(SCORES, (0, 2), ROWS, score)
    frame = store.read_scores("deletion")
    assert list(frame.columns) == [
        "image_id", "target", "value", "curve", "error", "iou", "box",
        "dataset", "model", "explainer",
    ]  # fmt: skip
    assert frame["value"].tolist()[0] == 0.25
    assert frame["value"].isna().tolist() == [False, True, True]
    assert frame["curve"][2].tolist() == [0.25, 0.0]
    assert frame["iou"].isna().tolist() == [False, True, True]
    assert frame["box"][2].tolist() == [5, 6, 7, 8]
    plain = pd.read_parquet(tmp_path / "scores")
    assert plain["metric"].tolist() == ["deletion"] * 3
    assert store.metrics() == ["deletion"]


def test_an_empty_store_reads_as_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "new"))
    assert store.parts() == []
    assert store.read_scores("deletion").empty
    assert store.read_explanations("d", "m", "e") == {}
    with pytest.raises(UserError, match=r"is not a run folder: it has no benchmark\.yaml"):
        store.read_benchmark()


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path))
    store.write_bytes("table.csv", b"old")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageError, match="No space left"):
        store.write_bytes("table.csv", b"new")
    assert store.folder.list() == ["table.csv"]
    assert store.folder.read("table.csv") == b"old"


def test_left_over_temporaries_are_no_parts_and_can_be_removed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_scores(
        SCORES, (0, 0), Rows(["a"], [None], [1]), Score(torch.ones(1, dtype=torch.float64))
    )
    folder = tmp_path / SCORES.name.folder
    (folder / ".tmp-0123").write_bytes(b"half a file")
    assert len(store.parts()) == 1
    assert len(pd.read_parquet(tmp_path / "scores")) == 1
    store.folder.remove_temporaries()
    assert len(list(folder.iterdir())) == 1


def test_parts_with_errors_are_forgotten(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    good = Rows(["a"], [None], [1])
    store.write_scores(SCORES, (0, 0), good, Score(torch.ones(1, dtype=torch.float64)))
    store.write_scores(SCORES, (1, 3), ROWS, Score(torch.ones(2, dtype=torch.float64)))
    for name, error in {"good": None, "bad": "no memory"}.items():
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"error": pa.array([error], pa.string())}), sink)
        store.write_bytes(f"roar/{name}.parquet", sink.getvalue())
    forget_errors(store)
    assert [part.first for part in store.parts()] == [0]
    assert store.folder.list("roar") == ["roar/good.parquet"]
