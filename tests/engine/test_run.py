"""Whole runs in this process: complete, resumed, extended, with bad images and bad methods."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from swagflow.cli.status import show_status
from swagflow.config.load import resolve
from swagflow.engine.opening import Opened, open_benchmark
from swagflow.engine.shard_worker import ShardWorker
from swagflow.engine.todo import Todo, todo_of
from swagflow.errors import UserError
from swagflow.store.run_folder import Store
from tests.support.runs import EXPLAINERS, Runner, changed, rows_of

pytestmark = pytest.mark.usefixtures("quick_report")


def test_a_run_is_complete_and_a_second_one_computes_nothing(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner("datasets.squares.images=10") == 0
    assert len(runner.scores()) == 10 * 4
    assert runner.scores()["value"].between(0, 1).all()
    first = runner.files()

    def must_not_run(*_: object) -> None:
        raise AssertionError("a shard was computed again")

    monkeypatch.setattr(ShardWorker, "run", must_not_run)
    assert runner("datasets.squares.images=10") == 0
    assert "Nothing to compute" in runner.output
    assert runner.files() == first


def test_lost_parts_are_computed_again_to_the_same_values(runner: Runner) -> None:
    runner("datasets.squares.images=10")
    before = rows_of(Store(str(runner.folder)))
    for number, path in enumerate(sorted(runner.folder.rglob("*.parquet"))):
        if number % 3 == 0:
            path.unlink()
    assert runner("datasets.squares.images=10") == 0
    pd.testing.assert_frame_equal(rows_of(Store(str(runner.folder))), before, check_exact=True)


def test_more_images_and_methods_may_join(runner: Runner) -> None:
    runner("datasets.squares.images=6", "explainers=[centre]")
    before = runner.files()
    assert runner("datasets.squares.images=9") == 0
    after = runner.files()
    assert before.items() <= after.items()
    counts = runner.scores().groupby("explainer").size()
    assert counts.to_dict() == dict.fromkeys(EXPLAINERS, 9)


def test_a_new_metric_reads_masks_that_were_stored_in_two_goes(runner: Runner) -> None:
    runner("datasets.squares.images=6")
    runner("datasets.squares.images=8")
    masks = {path for path in runner.files() if path.startswith("explanations")}
    metrics = {"deletion": {}, "coarse": {"type": "deletion", "steps": 4}}
    assert runner("datasets.squares.images=8", metrics=metrics) == 0
    assert len(Store(str(runner.folder)).read_scores("coarse")) == 8 * 4
    assert {path for path in runner.files() if path.startswith("explanations")} == masks


def test_results_do_not_depend_on_what_else_is_computed(runner: Runner, tmp_path: Path) -> None:
    runner("datasets.squares.images=6")
    (tmp_path / "alone").mkdir()
    alone = Runner(tmp_path / "alone")
    alone("datasets.squares.images=6", explainers={"swag": EXPLAINERS["swag"]})
    together = runner.scores()
    together = together[together["explainer"] == "swag"].sort_values("image_id")
    single = alone.scores().sort_values("image_id")
    assert together["value"].tolist() == single["value"].tolist()


def test_a_bad_image_is_a_row_with_its_error(runner: Runner) -> None:
    assert runner("datasets.squares.images=10", "datasets.squares.bad_every=5") == 1
    scores = runner.scores()
    bad = scores[scores["error"].notna()]
    assert set(bad["image_id"]) == {"square/1", "square/6"}
    assert bad["value"].isna().all()
    assert len(scores) == 10 * 4
    assert "squares/square/1: the file ends too early (4 rows)" in runner.output
    assert runner("datasets.squares.images=10", "datasets.squares.bad_every=5") == 1
    assert "Nothing to compute" in runner.output


def test_a_shard_without_any_good_image(runner: Runner) -> None:
    overrides = ("datasets.squares.images=3", "datasets.squares.bad_every=2")
    assert runner(*overrides, shard_size=1) == 1
    scores = runner.scores().set_index("image_id")
    assert scores.loc["square/1", "value"].isna().all()
    assert scores.loc["square/1", "error"].tolist() == ["the file ends too early"] * 4
    assert scores.loc[["square/0", "square/2"], "value"].notna().all()


def test_a_failing_method_spoils_its_own_rows_only(runner: Runner) -> None:
    explainers = {**EXPLAINERS, "failing": {"type": "tests.support.plugins:FAILING"}}
    assert runner("datasets.squares.images=8", explainers=explainers) == 1
    scores = runner.scores()
    bad = scores[scores["error"].notna()]
    assert set(bad["explainer"]) == {"failing"}
    assert set(bad["image_id"]) == {f"square/{index}" for index in range(4)}
    assert bad["error"].iloc[0].startswith("RuntimeError: no explanation today [failures/")


def test_rows_with_errors_can_be_tried_again(runner: Runner) -> None:
    explainers = {"centre": {}, "failing": {"type": "tests.support.plugins:FAILING"}}
    runner("datasets.squares.images=8", explainers=explainers)
    kept = {path: content for path, content in runner.files().items() if "centre" in path}
    assert runner("datasets.squares.images=8", explainers=explainers, retry=True) == 1
    assert "8 rows to compute in 1 shards" in runner.output
    assert kept.items() <= runner.files().items()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["explainers.swag.statistic=max"], r"its explainers.swag.statistic is 'mean', and 'max'"),
        (["datasets.squares.generation=1"], r"its subjects.squares/toy.dataset is"),
        (["model.weights=random:1"], r"its subjects.squares/toy.model.weights_sha256 is"),
        (["seed=1"], r"its seed is 0, and 1 is asked for"),
        (["batch_size=5"], r"its batch_size is 32"),
        (["name=other"], r"its name is 'toy', and 'other'"),
    ],
)
def test_a_folder_of_another_benchmark_is_refused_and_kept(
    runner: Runner, overrides: list[str], message: str
) -> None:
    runner("datasets.squares.images=4")
    before = runner.files()
    assert runner("datasets.squares.images=4", *overrides) == 2
    assert "belongs to another benchmark" in runner.output
    assert pd.Series([runner.output]).str.contains(message).all()
    assert runner.files() == before


def test_a_folder_with_other_files_is_refused(runner: Runner) -> None:
    runner.folder.mkdir()
    (runner.folder / "thesis.tex").write_text("precious")
    assert runner("datasets.squares.images=4") == 2
    assert "has files but no benchmark.yaml" in runner.output


def test_a_folder_of_others_is_left_as_it_was(runner: Runner) -> None:
    below = runner.folder / "letters"
    below.mkdir(parents=True)
    (below / ".tmp-draft").write_text("not ours")
    (below / "letter.txt").write_text("dear")
    assert runner("datasets.squares.images=4") == 2
    files = {str(path.relative_to(runner.folder)) for path in runner.folder.rglob("*")}
    assert files == {"letters", "letters/.tmp-draft", "letters/letter.txt"}


def test_a_new_version_of_a_method_is_computed_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner("datasets.squares.images=4")
    before = runner.files()
    monkeypatch.setattr("tests.support.plugins.Brightness.version", 2)
    assert runner("datasets.squares.images=4") == 0
    after = runner.files()
    assert {path for path in before.keys() - after.keys() if "brightness" in path}
    assert not {path for path in before.keys() - after.keys() if "brightness" not in path}
    assert len(runner.scores()) == 4 * 4


def assert_second_is_turned_away(
    runner: Runner, inner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start a second run in the middle of one that then ends well."""
    codes: list[int] = []

    def while_another_starts(opened: Opened, store: Store) -> Todo:
        if not codes:
            codes.append(inner("datasets.squares.images=4"))
        return todo_of(opened, store)

    monkeypatch.setattr("swagflow.engine.compute.todo_of", while_another_starts)
    assert runner("datasets.squares.images=4") == 0
    assert codes == [2]


def test_two_drivers_cannot_share_a_folder(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Runner(runner.folder.parent)
    assert_second_is_turned_away(runner, inner, monkeypatch)
    assert "another run is at work" in inner.output


def test_status_tells_what_is_missing(runner: Runner) -> None:
    runner("datasets.squares.images=10", "datasets.squares.bad_every=5")
    stream = io.StringIO()
    assert show_status(str(runner.folder), Console(file=stream, width=200)) == 1
    assert "square/6: the file ends too early" in stream.getvalue()
    for path in runner.folder.rglob("*.parquet"):
        if "explainer=swag" in str(path) and "metric" in str(path):
            path.unlink()
    stream = io.StringIO()
    assert show_status(str(runner.folder), Console(file=stream, width=200)) == 1
    assert "unfinished: squares/toy swag deletion: 10 of 10 images are missing" in stream.getvalue()


def test_opening_names_the_model_that_fails() -> None:
    models = {"mine": {"architecture": "resnet51", "weights": "random:0"}}
    with pytest.raises(UserError, match=r"models.mine: .*resnet51.*resnet5?0?"):
        open_benchmark(resolve(changed(models=models)))
