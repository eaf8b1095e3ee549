"""Failures: a line in their rows, and a file that tells the rest to who has to mend them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from swagflow.engine import classifiers
from swagflow.engine.work import attempt
from swagflow.errors import StorageError
from swagflow.store.failures import MAX_BYTES, FailureFiles, failure_texts
from swagflow.store.files import Folder
from swagflow.store.tracebacks import MAX_LINE, Failure, one_line, short_path
from tests.support.plugins import Failing
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("quick_report")

FAILING: dict[str, Any] = {"type": "tests.support.plugins:FAILING"}


def failure_of(compute: Callable[[], object]) -> Failure:
    failure = attempt(compute)
    assert isinstance(failure, Failure)
    return failure


def refuse(image_id: str) -> None:
    raise ValueError(f"nothing to be seen in {image_id}")


def refuse_elsewhere(image_id: str) -> None:
    raise ValueError(f"nothing to be seen in {image_id}")


def dig(depth: int) -> None:
    if depth:
        dig(depth - 1)
    raise ValueError("at the bottom")


def with_cause(cause: Callable[[], None]) -> None:
    try:
        cause()
    except ValueError as error:
        raise RuntimeError("no explanation") from error


def test_the_same_place_is_the_same_failure_whatever_the_message() -> None:
    first, second = (failure_of(lambda i=i: refuse(i)) for i in ("a.jpg", "b.jpg"))  # type: ignore[misc]
    assert first.line == "ValueError: nothing to be seen in a.jpg"
    assert first.key == second.key
    assert first.line != second.line
    assert failure_of(lambda: refuse_elsewhere("a.jpg")).key != first.key


def test_the_depth_of_a_recursion_does_not_matter() -> None:
    assert len({failure_of(lambda n=n: dig(n)).key for n in (2, 5, 300)}) == 1  # type: ignore[misc]


def test_other_causes_are_other_failures() -> None:
    one = failure_of(lambda: with_cause(lambda: refuse("a")))
    other = failure_of(lambda: with_cause(lambda: refuse_elsewhere("a")))
    assert one.key != other.key
    assert "in refuse\n" in one.text
    assert "direct cause of the following exception" in one.text


def test_files_are_called_the_same_on_every_machine() -> None:
    assert short_path(inspect.getfile(Failure)) == "swagflow/store/tracebacks.py"
    assert short_path("/opt/x/lib/python3.12/site-packages/torch/nn/functional.py") == (
        "torch/nn/functional.py"
    )
    assert short_path("/home/somebody/thesis/methods/mine.py") == "methods/mine.py"
    assert short_path("<string>") == "<string>"
    assert str(Path.cwd()) not in failure_of(lambda: refuse("a")).text


def test_storage_errors_are_nobodys_rows() -> None:
    def full() -> None:
        raise StorageError("no space left")

    with pytest.raises(StorageError):
        attempt(full)


def test_what_a_row_and_a_file_hold_is_bounded(tmp_path: Path) -> None:
    def babble() -> None:
        raise ValueError("much\n to say " * 20_000 + "\udce4")

    failure = failure_of(babble)
    assert len(failure.line) == MAX_LINE
    assert failure.line.startswith("ValueError: much to say much to say")
    error = FailureFiles(Folder.at(str(tmp_path)), "a machine").keep(failure, {"model": "toy"})
    assert len(error) < MAX_LINE + 40
    content = (tmp_path / "failures" / f"{failure.key}.txt").read_bytes()
    assert 0.9 * MAX_BYTES < len(content) <= MAX_BYTES
    assert b"in babble" in content
    assert b"bytes left out]" in content
    assert content.decode().rstrip().endswith("\\udce4")
    (text,) = failure_texts(Folder.at(str(tmp_path))).values()
    assert len(text) <= 2**13


def test_names_of_files_that_are_no_text_can_be_stored() -> None:
    assert one_line("caf\udce9.jpg\n is broken") == "caf\\udce9.jpg is broken"


def test_a_failure_is_written_once(tmp_path: Path) -> None:
    folder = Folder.at(str(tmp_path))
    failure = failure_of(lambda: refuse("a"))
    errors = {
        FailureFiles(folder, "machine").keep(failure, {"images": name}) for name in ("one", "two")
    }
    assert errors == {f"{failure.line} [failures/{failure.key}.txt]"}
    (text,) = failure_texts(folder).values()
    assert "images:    one" in text
    assert "two" not in text


def test_a_methods_failure_is_one_file_that_names_its_line(runner: Runner) -> None:
    explainers = {"centre": {}, "failing": FAILING, "again": {**FAILING, "image_id": "square/5"}}
    assert runner("datasets.squares.images=8", explainers=explainers) == 1
    scores = runner.scores()
    bad = scores[scores["error"].notna()].set_index("explainer")["error"]
    assert bad.groupby("explainer").size().to_dict() == {"again": 4, "failing": 4}
    (error,) = set(bad)
    (file,) = (runner.folder / "failures").iterdir()
    assert error == f"RuntimeError: no explanation today [failures/{file.name}]"
    text = file.read_text()
    lines, first = inspect.getsourcelines(Failing)
    number = first + next(i for i, line in enumerate(lines) if "no explanation today" in line)
    assert f'File "support/plugins.py", line {number}, in __call__' in text
    assert 'raise RuntimeError("no explanation today")' in text
    assert "data set:  squares\nmodel:     toy\nimages:    square/0 to square/3 (4)\n" in text
    assert "explainer: failing" in text
    assert "torch 2" in text
    assert str(Path.home()) not in text


def test_images_that_cannot_be_read_need_no_file(runner: Runner) -> None:
    assert runner("datasets.squares.images=8", "datasets.squares.bad_every=5") == 1
    assert not (runner.folder / "failures").exists()


def test_a_failing_metric_is_named(
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no pixels")

    monkeypatch.setattr("swag.metrics.deletion.Deletion.__call__", fail)
    assert runner("datasets.squares.images=4", explainers={"centre": {}}) == 1
    assert runner.scores()["error"].str.startswith("ZeroDivisionError: no pixels [").all()
    (file,) = (runner.folder / "failures").iterdir()
    assert "explainer: centre\nmetric:    deletion" in file.read_text()


def test_what_fails_around_the_tasks_is_rows_too(
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room for the model")

    monkeypatch.setattr(classifiers, "load_classifier", fail)
    assert runner("datasets.squares.images=4", explainers={"centre": {}, "grad_cam": {}}) == 1
    scores = runner.scores()
    assert len(scores) == 8
    said = "MemoryError: no room for the model (out of memory: "
    assert scores["error"].str.startswith(said).all()


def test_rows_are_stored_where_the_file_cannot_be(runner: Runner) -> None:
    assert runner("datasets.squares.images=4", explainers={"centre": {}}) == 0
    (runner.folder / "failures").write_text("in the way")
    explainers = {"centre": {}, "failing": FAILING}
    assert runner("datasets.squares.images=4", explainers=explainers) == 1
    bad = runner.scores()["error"].dropna()
    assert bad.tolist() == ["RuntimeError: no explanation today"] * 4


def test_trying_again_forgets_the_files(
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explainers = {"centre": {}, "failing": FAILING}
    assert runner("datasets.squares.images=8", explainers=explainers) == 1
    assert len(list((runner.folder / "failures").iterdir())) == 1
    monkeypatch.setattr(Failing, "__call__", lambda _, signals: signals.batch.image_BCHW.mean(1))
    assert runner("datasets.squares.images=8", explainers=explainers, retry=True) == 0
    assert not list((runner.folder / "failures").iterdir())
