"""A file of rows that does not hold what was written is named, and never read as if it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swag.types import Score
from swagflow.errors import DamagedError
from swagflow.store.parquet import decoded, encoded
from swagflow.store.parts import Cell, CellName, Maps, Rows
from swagflow.store.run_folder import Store

MASKS = Cell(CellName("data", "net", "swag", None), "ab" * 32)
SCORES = Cell(CellName("data", "net", "swag", "deletion"), "cd" * 32)
ROWS = Rows(["a", "b", "c", "d"], [None] * 4, [1] * 4)
PATH = SCORES.part(0, 3)


def table(count: int = 4) -> pa.Table:
    values = [0.25 * index for index in range(count)]
    return pa.table(
        {
            "image_id": [f"image-{index}" for index in range(count)],
            "value": values,
            "error": pa.array([None] * count, pa.string()),
        }
    )


CONTENT = encoded(table(), "cd" * 32).to_pybytes()


def test_what_was_written_is_read() -> None:
    assert decoded(CONTENT, PATH).equals(table())


@given(st.integers(0, len(CONTENT) - 1))
def test_a_file_that_was_cut_is_damaged(length: int) -> None:
    with pytest.raises(DamagedError, match=r"000000-000003-\w+\.parquet: "):
        decoded(CONTENT[:length], PATH)


@given(st.integers(4, CONTENT.index(b"image-3")), st.integers(1, 255))
def test_a_changed_byte_of_the_values_is_noticed(position: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[position] ^= change
    try:
        assert decoded(bytes(changed), PATH).equals(table())
    except DamagedError as error:
        assert PATH in str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a table", "parquet"),
        (encoded(table(3), "cd" * 32).to_pybytes(), "it has 3 rows and its name says 4"),
        (encoded(table().drop(["value"]), "cd" * 32).to_pybytes(), "no column 'value' of double"),
        (
            encoded(table().set_column(1, "value", [["x"] * 4]), "cd" * 32).to_pybytes(),
            "no column 'value' of double",
        ),
    ],
)
def test_other_content_is_damage(content: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        decoded(content, PATH)


def test_damaged_parts_are_passed_over_and_named(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    score = Score(torch.ones(4, dtype=torch.float64))
    store.write_scores(SCORES, (0, 3), ROWS, score)
    store.write_scores(SCORES, (4, 7), ROWS, score)
    maps = Maps(np.ones((4, 2, 2), np.float32), 0.1, "pixel")
    store.write_explanations(MASKS, (0, 3), ROWS, maps)
    assert [problem for _, problem in store.verify()] == [None] * 3
    (tmp_path / SCORES.part(0, 3)).write_bytes(b"")
    (tmp_path / MASKS.part(0, 3)).write_bytes(CONTENT)
    assert len(store.read_scores("deletion")) == 4
    assert store.damaged.keys() == {SCORES.part(0, 3)}
    assert store.read_explanations("data", "net", "swag") == {}
    with pytest.raises(DamagedError, match="no column 'saliency'"):
        store.read_part(MASKS.part(0, 3))
    problems = dict(store.verify())
    assert problems[SCORES.part(4, 7)] is None
    assert "no column 'saliency'" in str(problems[MASKS.part(0, 3)])
    assert SCORES.part(0, 3) in str(problems[SCORES.part(0, 3)])


def test_version_0_1_wrote_no_checksums(tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table(), sink)
    assert decoded(sink.getvalue().to_pybytes(), PATH).equals(table())
