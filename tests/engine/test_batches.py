"""Shards of many batches: the same rows in fewer parts, whatever the sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from swagflow.engine.loading import Loaded, to_batch
from swagflow.store.parts import Part
from swagflow.store.run_folder import Store
from tests.support.runs import EXPLAINERS, Runner, rows_of

pytestmark = pytest.mark.usefixtures("quick_report")
TWENTY = "datasets.squares.images=20"
METRICS = {"deletion": {}, "coarse": {"type": "deletion", "steps": 4}}


def other(runner: Runner, name: str) -> Runner:
    folder = runner.folder.parent / name
    folder.mkdir()
    return Runner(folder)


def maps_of(runner: Runner, explainer: str) -> dict[str, np.ndarray]:
    return Store(runner.uri).read_explanations("squares", "toy", explainer)


@pytest.fixture
def whole(runner: Runner) -> Runner:
    """Return a run whose shard is one batch."""
    assert runner(TWENTY, shard_size=20, batch_size=32) == 0
    return runner


@pytest.mark.parametrize(("shard_size", "batch_size"), [(5, 4), (5, 32), (20, 4), (20, 1), (7, 3)])
def test_scores_do_not_depend_on_the_sizes(whole: Runner, shard_size: int, batch_size: int) -> None:
    own = other(whole, "own")
    assert own(TWENTY, shard_size=shard_size, batch_size=batch_size) == 0
    expected, found = rows_of(Store(whole.uri)), rows_of(Store(own.uri))
    names = ["image_id", "explainer", "target", "label", "prediction"]
    pd.testing.assert_frame_equal(found[names], expected[names])
    np.testing.assert_allclose(found["value"], expected["value"], atol=1e-5)
    for explainer in EXPLAINERS:
        ours, theirs = maps_of(own, explainer), maps_of(whole, explainer)
        assert list(ours) == list(theirs)
        for name, saliency_HW in ours.items():
            np.testing.assert_allclose(saliency_HW, theirs[name], atol=1e-5)
    spans = {(part.first, part.last) for part in Store(own.uri).parts()}
    begins = range(0, 20, shard_size)
    assert spans == {(begin, min(begin + shard_size, 20) - 1) for begin in begins}
    assert len(Store(own.uri).parts()) == len(spans) * 2 * len(EXPLAINERS)


def test_no_more_than_a_batch_is_in_memory(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watched(loaded: Loaded, *rest: Any) -> Any:
        sizes.append(len(loaded.samples))
        return to_batch(loaded, *rest)

    monkeypatch.setattr("swagflow.engine.workshop.to_batch", watched)
    assert runner(TWENTY, shard_size=20, batch_size=6) == 0
    assert sizes == [6, 6, 6, 2]


def test_another_size_of_shards_computes_nothing_twice(whole: Runner) -> None:
    before = whole.files()
    assert whole(TWENTY, shard_size=3, batch_size=32) == 0
    assert "Nothing to compute" in whole.output
    assert whole.files() == before


def test_what_is_missing_is_computed_by_shards_of_another_size(runner: Runner) -> None:
    runner(TWENTY, shard_size=3)
    rows = rows_of(Store(runner.uri))
    lost = 0
    for number, path in enumerate(sorted(runner.folder.rglob("*.parquet"))):
        if number % 3 == 0:
            part = Part.of(str(path.relative_to(runner.folder)))
            assert part
            lost += part.num_rows
            path.unlink()
    kept = runner.files()
    assert runner(TWENTY, shard_size=8) == 0
    assert f"{lost} rows to compute" in runner.output
    assert kept.items() <= runner.files().items()
    found = rows_of(Store(runner.uri))
    assert len(found) == 20 * len(EXPLAINERS)
    np.testing.assert_allclose(found["value"], rows["value"], atol=1e-5)


def test_a_bad_image_and_a_failing_batch_spoil_their_own_rows_only(runner: Runner) -> None:
    explainers = {**EXPLAINERS, "failing": {"type": "tests.support.plugins:FAILING"}}
    bad = "datasets.squares.bad_every=9"
    assert runner(TWENTY, bad, explainers=explainers, shard_size=20, batch_size=4) == 1
    scores = runner.scores()
    assert len(scores) == 20 * 5
    lost = scores[scores["error"].notna()].groupby("explainer")["image_id"].apply(set)
    images = {"square/1", "square/10", "square/19"}
    assert lost["centre"] == images
    assert lost["failing"] == images | {f"square/{number}" for number in range(4)}
    assert scores["value"].notna().sum() == len(scores) - 5 * 3 - 3
    assert len(maps_of(runner, "failing")) == 20 - 3 - 3


def test_damaged_masks_of_a_shard_are_made_again(runner: Runner) -> None:
    options: dict[str, Any] = {"shard_size": 20, "batch_size": 4}
    assert runner(TWENTY, **options) == 0
    expected = maps_of(runner, "brightness")
    (path,) = runner.folder.glob("explanations/*/*/explainer=brightness/*.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert runner(TWENTY, metrics=METRICS, **options) == 0
    found = maps_of(runner, "brightness")
    assert found.keys() == expected.keys()
    assert all(found[name].tobytes() == expected[name].tobytes() for name in found)
    assert Store(runner.uri).read_scores("coarse")["value"].notna().sum() == 20 * len(EXPLAINERS)
