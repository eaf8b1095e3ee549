"""Progress as it is told: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from swagflow import progress
from swagflow.progress import duration, meter
from tests.support.runs import Runner


def told(*, terminal: bool) -> str:
    stream = io.StringIO()
    with meter(Console(file=stream, width=120, force_terminal=terminal), 4, "toy") as bar:
        bar.advance(1, "first")
        bar.advance(3, "second")
    return stream.getvalue()


def test_a_terminal_has_a_bar() -> None:
    text = told(terminal=True)
    assert "4/4" in text
    assert "second" in text
    assert "ETA" in text


def test_elsewhere_only_the_end_is_told_of_what_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = told(terminal=False).splitlines()
    assert line.startswith("toy: 4 of 4 rows, ")
    assert line.endswith("ETA 0 s (second)")
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert len(told(terminal=False).splitlines()) == 2


def test_what_goes_on_is_told_before_a_row_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    stream = io.StringIO()
    with meter(Console(file=stream, width=120), 4, "toy") as bar:
        bar.advance(0, "rise, 7%")
    assert stream.getvalue() == "toy: 0 of 4 rows, 0/s, ETA unknown (rise, 7%)\n"


@pytest.mark.usefixtures("undrawn")
def test_a_run_of_this_process_tells_how_far_a_method_is(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[tuple[int, str]] = []
    monkeypatch.setattr(
        progress._Lines, "advance", lambda _self, rows, note: notes.append((rows, note))
    )
    runner(explainers={"rise": {"num_masks": 40}}, metrics=["deletion"])
    shares = [note for rows, note in notes if not rows]
    assert len(shares) > 3
    assert shares[0].startswith("squares/")
    assert all(re.search(r": rise, \d\d?%$", note) for note in shares)
    assert sum(rows for rows, _ in notes) > 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(44.6, "45 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_spans_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
