"""Models that score after they were fine-tuned on perturbed images: once, resumable, identified."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from swag.metrics import IDSDS
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from swag.types import Batch
from swagflow.cli.check import check_run
from swagflow.cli.status import show_status
from swagflow.config.load import load_benchmark, resolve
from swagflow.engine.compute import compute
from swagflow.engine.opening import open_benchmark
from swagflow.engine.plan import cell_of
from swagflow.engine.resources import choose_resources
from swagflow.engine.status import status_of
from swagflow.engine.todo import todo_of
from swagflow.engine.tuned_models import load_tuned
from swagflow.engine.tuning import TuningWorker
from swagflow.engine.work import InProcess
from swagflow.errors import UserError
from swagflow.forecast.cost import Estimate
from swagflow.forecast.lines import TUNING, Amounts, Subject
from swagflow.store.parts import CellName
from swagflow.store.run_folder import Store
from swagflow.train import fitting
from tests.support.benchmarks import described
from tests.support.plugins import Squares, toy_cnn
from tests.support.runs import SECTIONS, Killed, Runner, changed

pytestmark = pytest.mark.usefixtures("quick_report")

TUNING_OF_SQUARES: dict[str, Any] = {"train": "more_squares", "epochs": 3, "batch_size": 4}
METRICS: dict[str, Any] = {
    "idsds": {"cells": 2},
    "f_fidelity": {"fractions": [0.25, 0.5], "num_samples": 2},
}
TUNED: dict[str, Any] = {
    "datasets": SECTIONS["datasets"],
    "explainers": {"brightness": SECTIONS["explainers"]["brightness"], "noise": {}},
    "metrics": METRICS,
    "tuning": {"squares": TUNING_OF_SQUARES},
}
SUBJECTS = {
    (name, "toy"): {"dataset": name, "model": {"weights_sha256": "m"}}
    for name in ("squares", "more_squares")
}
CELL = CellName("squares", "toy", "noise", "idsds")


def values(folder: Path, metric: str = "idsds") -> pd.DataFrame:
    rows = Store(str(folder)).read_scores(metric).sort_values(["explainer", "image_id"])
    return rows.reset_index(drop=True)


def tuned_files(folder: Path, ending: str = "safetensors") -> list[Path]:
    return sorted((folder / "tuned").rglob(f"*.{ending}"))


def test_a_run_tunes_once_for_all_methods(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runner(**TUNED) == 0
    assert "2 models to fine-tune" in runner.output
    assert len(tuned_files(runner.folder)) == len(tuned_files(runner.folder, "json")) == 2
    assert not tuned_files(runner.folder, "checkpoint")
    for metric in METRICS:
        rows = values(runner.folder, metric)
        assert len(rows) == 2 * 6
        assert rows["value"].notna().all()
        assert rows["value"].between(-1, 1).all()
    assert {"fid_plus", "fid_minus"} <= set(values(runner.folder, "f_fidelity"))
    assert not Store(str(runner.folder)).read_explanations("more_squares", "toy", "noise")
    monkeypatch.setattr(TuningWorker, "run", None)
    assert runner(**TUNED) == 0
    assert "Nothing to compute" in runner.output
    more = {**TUNED, "explainers": {**TUNED["explainers"], "sobel": {}}}
    assert runner(**more) == 0, "another method needs no other model"
    assert len(values(runner.folder)) == 3 * 6


def test_scores_are_those_of_the_tuned_model_for_the_target_of_the_other(runner: Runner) -> None:
    assert runner(**TUNED) == 0
    rows = values(runner.folder).query("explainer == 'noise'")
    spec = ModelSpec(architecture="tests.support.plugins:toy_cnn", weights="random:0")
    dataset = Squares(images=6).open()
    images = torch.stack([dataset.load(name).image_CHW for name in dataset.image_ids])
    untouched = load_classifier(spec, device=torch.device("cpu"), batch_size=32)
    batch = Batch(image_BCHW=images, image_ids=tuple(dataset.image_ids))
    target_B = Signals(untouched, batch).target_B
    assert rows["target"].tolist() == target_B.tolist()
    tuned = load_classifier(spec, device=torch.device("cpu"), batch_size=32)
    store = Store(str(runner.folder))
    state = status_of(store)
    (cell,) = [item.cell for item in state.cells if item.cell.name == CELL]
    load_tuned(store.folder, cell.tuned, tuned.model)
    masks = store.read_explanations("squares", "toy", "noise")
    saliency_BHW = torch.stack([torch.from_numpy(masks[name].copy()) for name in batch.image_ids])
    judged = Batch(image_BCHW=images, image_ids=batch.image_ids, target_B=target_B)
    expected = IDSDS(cells=2)(Signals(tuned, judged), saliency_BHW).value_B
    assert rows["value"].tolist() == pytest.approx(expected.tolist())
    assert not torch.equal(tuned.probabilities(images), untouched.probabilities(images))


def test_training_images_lose_one_cell_or_a_bounded_share(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[Tensor]] = []

    def spy(model: nn.Module, batches: fitting.Batches, *_: object) -> None:
        seen.append([x_BCHW for epoch in range(20) for x_BCHW, _ in batches(epoch)])
        model.eval().requires_grad_(requires_grad=False)

    monkeypatch.setattr("swagflow.engine.tuning.fit", spy)
    assert runner(**TUNED) == 0
    pixels, cells = (
        {int(count) for x in batches for count in (x == 0).all(1).flatten(1).sum(1)}
        for batches in seen
    )
    assert cells == {0, 64}
    assert min(pixels) == 0
    assert 20 < max(pixels) <= 25


def test_a_killed_tuning_goes_on_from_its_last_epoch(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runner(**TUNED) == 0
    (tmp_path / "other").mkdir()
    other = Runner(tmp_path / "other")
    epochs: list[int] = []
    train = fitting._epoch

    def stop_in_the_fifth(*arguments: Any, **options: Any) -> float:
        epochs.append(arguments[-1])
        if len(epochs) == 5:
            raise Killed
        return train(*arguments, **options)

    monkeypatch.setattr(fitting, "_epoch", stop_in_the_fifth)
    with pytest.raises(Killed):
        other(**TUNED)
    assert len(tuned_files(other.folder, "checkpoint")) == 1
    assert other(**TUNED) == 0
    assert epochs == [0, 1, 2, 0, 1, 1, 2], "the second goes on with its second epoch"
    for metric in METRICS:
        pd.testing.assert_frame_equal(
            values(other.folder, metric), values(runner.folder, metric), check_exact=True
        )
    for mine, theirs in zip(tuned_files(other.folder), tuned_files(runner.folder), strict=True):
        assert mine.read_bytes() == theirs.read_bytes()


def test_a_run_killed_before_it_scores_tunes_nothing_again(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("swagflow.engine.shard_worker.ShardWorker.run", _killed)
        with pytest.raises(Killed):
            runner(**TUNED)
    assert len(tuned_files(runner.folder)) == 2
    monkeypatch.setattr(TuningWorker, "run", None)
    assert runner(**TUNED) == 0
    assert values(runner.folder)["value"].notna().all()


def _killed(*_: object) -> None:
    raise Killed


def test_a_tuning_that_fails_is_the_error_of_its_rows(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    with monkeypatch.context() as patched:
        patched.setattr("swagflow.engine.tuning.fit", fail)
        assert runner(**TUNED) == 1
    for metric in METRICS:
        rows = values(runner.folder, metric)
        assert rows["value"].isna().all()
        (error,) = set(rows["error"])
        assert "no model to score with: its fine-tuning failed: RuntimeError: CUDA out" in error
    with monkeypatch.context() as patched:
        patched.setattr(TuningWorker, "run", None)
        assert runner(**TUNED) == 1, "errors are kept until they are to be tried again"
    assert runner(retry=True, **TUNED) == 0
    assert values(runner.folder)["value"].notna().all()
    assert not tuned_files(runner.folder, "failed")


def test_damaged_weights_score_nothing(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("swagflow.engine.shard_worker.ShardWorker.run", _killed)
        with pytest.raises(Killed):
            runner(**TUNED)
    for path in tuned_files(runner.folder):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert runner(**TUNED) == 1
    (error,) = {text.partition(" [failures")[0][-60:] for text in values(runner.folder)["error"]}
    assert error.endswith("run again with --retry-errors")


def said_of(runner: Runner, *, delete: bool = False) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=300)
    code = check_run(runner.uri, console, delete=delete)
    return code, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "description"])
def test_damaged_weights_are_named_and_trained_again(runner: Runner, damage: str) -> None:
    assert runner(**TUNED) == 0
    stored = tuned_files(runner.folder)
    code, text = said_of(runner)
    assert code == 0
    assert f" files of rows and {len(stored)} of fine-tuned models, all of them whole" in text
    weights, path = stored[0].read_bytes(), stored[0]
    if damage == "flipped":
        path.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    elif damage == "cut":
        path.write_bytes(weights[: len(weights) // 2])
    elif damage == "gone":
        path.unlink()
    else:
        path.with_suffix(".json").write_text("{")
    code, text = said_of(runner)
    assert code == 1
    assert f"{path.relative_to(runner.folder)} is damaged" in text
    assert said_of(runner, delete=True)[0] == 1
    assert said_of(runner)[0] == 0
    assert path not in tuned_files(runner.folder)
    more = {**TUNED, "explainers": {**TUNED["explainers"], "sobel": {}}}
    assert runner(**more) == 0
    assert path.read_bytes() == weights


@pytest.mark.slow
def test_workers_tune_and_score_to_the_bits_of_one_process(tmp_path: Path) -> None:
    alone, together = (Runner(tmp_path / name) for name in ("alone", "together"))
    for runner, workers in ((alone, 0), (together, 2)):
        runner.config.parent.mkdir()
        assert runner(workers=workers, **TUNED) == 0, runner.output
    for metric in ("idsds", "f_fidelity"):
        first, second = (values(runner.folder, metric) for runner in (alone, together))
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert [path.read_bytes() for path in tuned_files(alone.folder)] == [
        path.read_bytes() for path in tuned_files(together.folder)
    ]


def test_without_images_to_train_on_there_is_one_clear_error() -> None:
    message = (
        r"experiments\.idsds: 'idsds' scores with a model that was fine-tuned on perturbed images, "
        r"and tuning\.squares does not say on which; add tuning: \{squares: \{train: DATASET\}\}"
    )
    with pytest.raises(UserError, match=message):
        resolve(changed(metrics={"idsds": {}}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": "no_squares"}, r"unknown key 'tuning.squares.train'"),
        ({"epochs": 0}, r"epochs must be at least 1, got 0"),
        ({"learning_rate": -1.0}, r"learning_rate must be positive, got -1"),
        ({"repeats": 3}, r"unknown key 'tuning.squares.repeats'"),
    ],
)
def test_bad_settings(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve({**changed(**TUNED), "tuning": {"squares": {**TUNING_OF_SQUARES, **fields}}})


def test_images_of_other_classes_train_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"architecture": "tests.support.plugins:toy_cnn", "weights": "random:0"}
    benchmark = resolve({**changed(**TUNED), "models": {"toy": {**spec, "num_classes": 3}}})
    message = r"tuning\.squares\.train: more_squares has 2 classes, and toy tells 3 apart"
    with pytest.raises(UserError, match=message):
        open_benchmark(benchmark)


def test_a_model_without_softmax_is_not_tuned(runner: Runner) -> None:
    spec = {"architecture": "tests.support.plugins:toy_cnn", "weights": "random:0"}
    assert runner(**{**TUNED, "models": {"toy": {**spec, "output": "sigmoid"}}}) == 1
    assert "this one has output: sigmoid; leave it out of" in values(runner.folder)["error"].iloc[0]


def test_models_are_tuned_only_where_a_metric_asks_for_it() -> None:
    benchmark = resolve(changed(**{**TUNED, "metrics": {"deletion": {}}}))
    assert not benchmark.tuning
    assert list(benchmark.datasets) == ["squares"]
    only = load_benchmark("in-distribution", only=["deletion"])
    assert (list(only.datasets), only.tuning) == (["digit_scenes"], {})
    tuned = load_benchmark("in-distribution", only=["idsds"])
    assert list(tuned.datasets) == ["digit_scenes", "digit_scenes_train"]
    assert list(tuned.tuning) == ["digit_scenes"]
    less = load_benchmark("in-distribution", ["metrics=[deletion]", "roar={}"])
    assert (list(less.datasets), less.tuning) == (["digit_scenes"], {})


def key_with(cell: CellName = CELL, subjects: Any = None, **sections: Any) -> tuple[str, str]:
    benchmark = resolve(changed(**{**TUNED, **sections}))
    found = cell_of(described(benchmark, {**SUBJECTS, **(subjects or {})}), cell)
    return found.key, found.tuned


def test_all_that_makes_the_tuned_model_is_in_the_rows_key() -> None:
    recipe = {"squares": {**TUNING_OF_SQUARES, "epochs": 4}}
    other = {("more_squares", "toy"): {"dataset": "z", "model": {"weights_sha256": "m"}}}
    found = [
        key_with(),
        key_with(tuning=recipe),
        key_with(subjects=other),
        key_with(metrics={"idsds": {"cells": 3}}),
        key_with(seed=1),
    ]
    assert len({key for key, _ in found}) == len({path for _, path in found}) == len(found)


def test_one_model_serves_metrics_that_perturb_alike_and_all_methods() -> None:
    metrics = {"idsds": {"cells": 2}, "mine": {"type": "idsds", "cells": 2, "score": "probability"}}
    (key, path), (other, same) = (
        key_with(CELL._replace(metric=name), metrics=metrics) for name in metrics
    )
    assert (path, key) != (same, other)
    assert path == same
    assert key_with(CELL._replace(explainer="brightness"))[1] == key_with()[1]


def test_another_tuning_is_another_benchmark(runner: Runner) -> None:
    assert runner(**TUNED) == 0
    assert runner(**{**TUNED, "tuning": {"squares": {**TUNING_OF_SQUARES, "epochs": 4}}}) == 2
    assert "its tuning.squares.epochs is 3, and 4 is asked for" in runner.output


def test_status_names_the_models_that_are_not_tuned(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    train = TuningWorker.run

    def only_one(self: TuningWorker, job: Any) -> Any:
        calls.append(None)
        if len(calls) == 2:
            raise Killed
        return train(self, job)

    monkeypatch.setattr(TuningWorker, "run", only_one)
    with pytest.raises(Killed):
        runner(**TUNED)
    console = Console(width=200, record=True)
    assert show_status(runner.uri, console) == 1
    text = console.export_text()
    assert text.count("is not fine-tuned yet for") == 1
    assert "unfinished: squares/toy is not fine-tuned yet for idsds" in text


def test_the_passes_planned_are_those_that_are_run(tmp_path: Path) -> None:
    benchmark = resolve(changed(**TUNED))
    opened = open_benchmark(benchmark)
    todo = todo_of(opened, Store(str(tmp_path / "a")))
    resources = choose_resources(0, device="cpu")
    lines = Estimate(benchmark, opened.datasets).lines(todo, resources)
    planned = Amounts()
    for line in lines.values():
        planned.update(line.work)
    run = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal run
        if isinstance(module, type(toy_cnn())):
            run += len(inputs[0])

    hook = register_module_forward_pre_hook(count)
    try:
        compute(opened, Store(str(tmp_path / "b")), InProcess(resources), Console(quiet=True))
    finally:
        hook.remove()
    assert run == planned.passes("forward")
    own = lines[Subject("squares", "toy"), TUNING].work
    # Two models, 3 epochs of 8 images each; 6 images are classified by both, and lose 4 cells.
    assert own.passes("backward") == 2 * 3 * 8
    assert own.passes("forward") == 2 * 3 * 8 + 6 * (2 + 4)
