"""Timings: what is measured, on which images, where they are stored, and that they run last."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
import torch
from rich.console import Console
from torch import Tensor

import swag.metrics.efficiency
from swag.metrics.efficiency import Efficiency, part_of
from swag.signals import Signals
from swag.types import Batch, Kind
from swagflow.cli.status import show_status
from swagflow.config.load import resolve
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.resources import Resources
from swagflow.engine.work import Job
from swagflow.errors import UserError
from swagflow.on_ray.dispatcher import OnRay
from swagflow.store.run_folder import Store
from tests.support.runs import EXPLAINERS, Runner, changed
from tests.support.toys import batch_of, images, take, toy

pytestmark = pytest.mark.usefixtures("quick_report")

METRICS: dict[str, Any] = {"deletion": {}, "efficiency": {"images": 3}}


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(swag.metrics.efficiency, "time", clock)
    return clock


@dataclass(frozen=True)
class Slow:
    """Takes seconds that its images' numbers tell, and notes each call."""

    clock: Clock
    calls: list[Signals]
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset({"gradient"})

    def __call__(self, signals: Signals) -> Tensor:
        self.calls.append(signals)
        self.clock.now += sum(2.0 ** -int(name[-1]) for name in signals.batch.image_ids)
        return signals.batch.image_BCHW[:, 0]


def test_by_hand(clock: Clock) -> None:
    slow = Slow(clock, [])
    classifier = toy()
    classifier.batch_size = 2
    score = Efficiency().measure(slow, classifier, batch_of(images(3)))
    assert score.value_B.tolist() == [1.0, 0.5, 0.25]
    assert score.columns["seconds_batched"].tolist() == [0.75, 0.75, 0.25]  # type: ignore[union-attr]
    assert score.value_B.dtype == torch.float64


def test_each_measurement_is_warmed_up_and_shares_nothing(clock: Clock) -> None:
    slow = Slow(clock, [])
    classifier, batch = toy(), batch_of(images(2), label_B=torch.tensor([1, 2]), seed=7)
    Efficiency().measure(slow, classifier, batch)
    names = [signals.batch.image_ids for signals in slow.calls]
    first, second, both = ("image-0",), ("image-1",), ("image-0", "image-1")
    assert names == [first, first, second, both]  # a batch of 1.5 seconds needs no warm-up
    assert len({id(signals) for signals in slow.calls}) == 4
    for signals in slow.calls:
        assert signals.classifier is classifier
        assert signals.batch.seed == 7
        assert signals._needs == {"gradient"}


def test_a_quick_batch_is_warmed_up(clock: Clock) -> None:
    slow = Slow(clock, [])
    batch = batch_of(images(2), image_ids=("image-1", "image-1b2"))
    Efficiency().measure(slow, toy(), batch)
    assert [len(signals.batch) for signals in slow.calls] == [1, 1, 1, 2, 2]


def test_a_part_of_a_batch_keeps_all_that_is_known() -> None:
    boxes = tuple(torch.tensor([[index, 0.0, 3.0, 4.0]]) for index in range(4))
    batch = batch_of(
        images(4, 8),
        target_B=torch.arange(4),
        label_B=torch.arange(4) + 1,
        boxes=boxes,
        mask_BHW=torch.rand(4, 8, 8) > 0.5,
        seed=3,
    )
    assert same(part_of(batch, 1, 3), take(batch, [1, 2]))
    assert same(part_of(batch, 3, 9), take(batch, [3]))
    bare = batch_of(images(2, 8))
    assert same(part_of(bare, 0, 1), take(bare, [0]))


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in Batch.__dataclass_fields__]
    return all(
        torch.equal(mine, theirs) if isinstance(mine, Tensor) else str(mine) == str(theirs)
        for mine, theirs in pairs
    )


def test_at_least_one_image() -> None:
    with pytest.raises(ValueError, match="efficiency needs at least 1 image, got 0"):
        Efficiency(images=0)
    with pytest.raises(UserError, match=r"metrics.efficiency: .*at least 1 image"):
        resolve(changed(metrics={"efficiency": {"images": 0}}))


# As part of a run


def timings(runner: Runner) -> pd.DataFrame:
    return Store(str(runner.folder)).read_scores("efficiency")


def test_a_run_times_the_first_images_of_each_method(runner: Runner) -> None:
    assert runner("datasets.squares.images=6", metrics=METRICS) == 0
    rows = timings(runner)
    assert rows.groupby("explainer")["image_id"].apply(list).to_dict() == {
        name: ["square/0", "square/1", "square/2"] for name in EXPLAINERS
    }
    assert (rows["value"] > 0).all()
    assert (rows["seconds_batched"] > 0).all()
    assert rows["target"].isin([0, 1]).all()
    assert rows["error"].isna().all()
    assert rows["hardware"].str.contains("thread").all()
    assert len(runner.scores()) == 6 * 4
    assert "4 methods to time" in runner.output
    described = Store(str(runner.folder)).read_benchmark()
    assert described.metrics["efficiency"] == {
        "about": str(Efficiency.__doc__).splitlines()[0],
        "class": "Efficiency",
        "version": 1,
        "images": 3,
        "higher_is_better": False,
        "is_timing": True,
    }
    assert described.num_images == {"squares": 6}
    assert show_status(str(runner.folder), Console(quiet=True)) == 0


def test_a_second_run_times_nothing_again(runner: Runner) -> None:
    runner("datasets.squares.images=4", metrics=METRICS)
    before = runner.files()
    assert runner("datasets.squares.images=4", metrics=METRICS) == 0
    assert "Nothing to compute" in runner.output
    assert runner.files() == before
    for path in runner.folder.rglob("*.parquet"):
        if "metric=efficiency" in str(path) and "explainer=swag" in str(path):
            path.unlink()
    assert runner("datasets.squares.images=4", metrics=METRICS) == 0
    assert "1 methods to time" in runner.output
    after = runner.files()
    changes = {path for path in before if before[path] != after[path]}
    assert len(changes) == 1
    assert "metric=efficiency" in changes.pop()


def test_more_images_than_before_are_timed_together(runner: Runner) -> None:
    runner("datasets.squares.images=2", metrics=METRICS)
    assert len(timings(runner)) == 2 * 4
    runner("datasets.squares.images=5", metrics=METRICS)
    assert timings(runner).groupby("explainer").size().to_dict() == dict.fromkeys(EXPLAINERS, 3)
    before = runner.files()
    runner("datasets.squares.images=7", metrics=METRICS)
    old = {path: content for path, content in before.items() if "metric=efficiency" in path}
    assert old.items() <= runner.files().items()


def test_other_cells_do_not_notice(runner: Runner, tmp_path: Path) -> None:
    runner("datasets.squares.images=5", metrics=METRICS)
    (tmp_path / "without").mkdir()
    without = Runner(tmp_path / "without")
    without("datasets.squares.images=5")
    rest = {path: text for path, text in runner.files().items() if "metric=deletion" in path}
    others = {path: text for path, text in without.files().items() if "metric=deletion" in path}
    assert rest == others


def test_timing_needs_no_masks(runner: Runner) -> None:
    experiments = {
        "table1": {"explainers": ["centre", "brightness"]},
        "table6": {"metric": "efficiency", "explainers": ["swag", "grad_cam"]},
    }
    runner("datasets.squares.images=5", metrics=METRICS, experiments=experiments)
    stored = [part for part in Store(str(runner.folder)).parts() if part.cell[3] is None]
    assert {part.cell[2] for part in stored} == {"centre", "brightness"}
    assert set(timings(runner)["explainer"]) == {"swag", "grad_cam"}


def test_bad_images_and_bad_methods_are_rows_with_errors(runner: Runner) -> None:
    explainers = {"centre": {}, "failing": {"type": "tests.support.plugins:FAILING"}}
    overrides = ("datasets.squares.images=5", "datasets.squares.bad_every=5")
    assert runner(*overrides, metrics=METRICS, explainers=explainers) == 1
    rows = timings(runner).set_index(["explainer", "image_id"])
    assert rows.loc[("centre", "square/1"), "error"] == "the file ends too early"
    assert rows.loc["centre", "value"].notna().tolist() == [True, False, True]
    assert rows.loc["failing", "value"].isna().all()
    error = rows.loc[("failing", "square/0"), "error"]
    assert error.startswith("RuntimeError: no explanation today [failures/")
    assert rows.loc[("failing", "square/1"), "error"] == "the file ends too early"


def test_the_plan_counts_what_is_left() -> None:
    raw = changed(metrics=METRICS, explainers=list(EXPLAINERS)[:3])
    opened = open_benchmark(resolve(raw))
    assert opened.benchmark.timings == {"efficiency": Efficiency(images=3)}
    assert list(opened.benchmark.metrics) == ["deletion"]


@pytest.mark.slow
def test_timing_runs_in_the_driver_after_the_workers(
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, int]] = []
    measure = Efficiency.measure

    def noting(*arguments: Any) -> Any:
        seen.append((os.getpid(), len(runner.scores())))
        return measure(*arguments)

    monkeypatch.setattr(Efficiency, "measure", noting)
    assert runner("datasets.squares.images=5", metrics=METRICS, workers=2) == 0
    assert seen == [(os.getpid(), 5 * 4)] * 4


def test_timing_runs_on_one_worker_of_a_cluster(tmp_path: Path) -> None:
    """Its head may have no GPU."""
    started: list[tuple[str, int | None]] = []

    class Cluster(OnRay):
        @contextmanager
        def connected(self) -> Iterator[None]:
            yield

        def reports(self, worker: type[Any], job: Job, items: Any) -> Iterator[Any]:
            started.append((worker.__name__, self.resources.num_workers))
            single = worker(job.benchmark, job.uri, "cpu")
            yield from (single.run(item) for item in items)

        def for_timings(self) -> Cluster:
            return Cluster(super().for_timings().resources)

    opened = open_benchmark(resolve(changed(metrics=METRICS)))
    resources = Resources(4, address="10.0.0.1:6379")
    store = Store(str(tmp_path / "run"))
    screen = Console(file=io.StringIO())
    assert compute(opened, store, Cluster(resources), screen)
    assert started == [("ShardWorker", 4), ("TimingWorker", 1)]
    assert len(store.read_scores("efficiency")) == 3
