"""Rows without curves, and mean curves without rows, are those of the rows as they are stored."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from swag.resampling import resampled_means
from swag.rng import generator
from swag.stats import Bootstrap, bootstrap_interval, summarise
from swagflow.report.bands import BAND_RESAMPLES, curves_of
from swagflow.report.source import Run
from swagflow.store.parts import CellName
from tests.support.fake_run import make_run

METHODS = ("swag", "random", "lime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    errors = {("swag", "scene-0002"): "no memory"}
    folder: Path = tmp_path_factory.mktemp("run")
    return Run(make_run(folder, methods=METHODS, num_images=7, errors=errors))


def test_a_band_is_that_of_the_stored_curves(run: Run) -> None:
    rows = run.store.read_scores("deletion")  # type: ignore[attr-defined]
    interval = partial(bootstrap_interval, seed=run.seed, num_resamples=BAND_RESAMPLES)
    run.rows_of("deletion")
    for method in METHODS:
        own = rows[(rows["model"] == "tiny_vgg") & (rows["explainer"] == method)]
        curves = own[own["curve"].notna()].sort_values("image_id")["curve"]
        wanted = summarise(np.stack(list(curves)).astype(np.float64), interval)
        found = run.bands.of(CellName("digit_scenes", "tiny_vgg", method, "deletion"))
        assert found is not None
        np.testing.assert_array_equal(found.mean_M, wanted.mean_M)
        np.testing.assert_array_equal(found.low_M, wanted.low_M)
        assert found.n_M.tolist() == wanted.n_M.tolist()
    assert run.bands.of(CellName("digit_scenes", "tiny_vgg", "none", "deletion")) is None


def test_curves_of_images_that_the_model_knows() -> None:
    columns = {
        "image_id": ["b", "a", "d", "c"],
        "value": [0.5, 0.5, None, 0.5],
        "curve": pa.array([[1, 0], [0.5, 0], None, [0.25, 0]], pa.list_(pa.float32())),
        "label": pa.array([1, 2, 3, None], pa.int32()),
        "prediction": pa.array([1, 2, 3, 4], pa.int32()),
    }
    table = pa.table(columns)
    every, known = curves_of(table), curves_of(table, only_correct=True)
    assert every is not None
    assert known is not None
    assert every.tolist() == [[0.5, 0], [1, 0], [0.25, 0]]
    assert known.tolist() == [[0.5, 0], [1, 0]]
    assert curves_of(table.drop(["curve"])) is None
    uneven = pa.array([[1], [0.5, 0], None, [0.25]], pa.list_(pa.float32()))
    with pytest.raises(ValueError, match="as many points"):
        curves_of(table.set_column(2, "curve", uneven))


def test_rows_are_the_stored_ones_in_the_order_of_the_benchmark(run: Run) -> None:
    stored = run.sorted(run.store.read_scores("deletion"))  # type: ignore[attr-defined]
    rows = run.rows_of("deletion")
    assert "curve" not in rows
    assert rows["image_id"].cat.categories.tolist() == sorted(stored["image_id"].unique())
    for column in ("dataset", "model", "explainer", "image_id", "value", "error"):
        left, right = rows[column].astype(stored[column].dtype), stored[column]
        pd.testing.assert_series_equal(left, right, check_exact=True)


@pytest.mark.parametrize("kept", [0, 2**26])
def test_shared_draws_give_the_same_intervals(monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr("swag.stats._DRAWS_KEPT", kept)
    random = np.random.default_rng(0)
    first_NM, second_NM = random.random((40, 3)), random.random((25, 2))
    first_NM[::7, 1] = np.nan
    shared = Bootstrap(4, 300)
    shared.prepare([first_NM, second_NM, np.full((40, 1), np.nan)])
    for value_NM in (first_NM, second_NM, first_NM[:, 1:]):
        wanted = bootstrap_interval(value_NM, num_resamples=300, seed=4)
        np.testing.assert_array_equal(shared(value_NM), wanted)
        means_RM = resampled_means(value_NM, generator(4, "", "bootstrap"), 300)
        np.testing.assert_array_equal(shared.means(value_NM), means_RM)
