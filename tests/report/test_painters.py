"""Figures that other processes draw are those that this one draws, and no failure loses one."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from swagflow.report import painters
from swagflow.report.figures import render
from swagflow.report.painters import Painters, Painting, painting
from swagflow.report.rendering import drawn


def figure(title: str) -> Figure:
    made = Figure(layout="constrained")
    axes = made.subplots()
    axes.plot([0, 1], [1, 0], label="a line")
    axes.set_title(title)
    made.legend()
    return made


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Painters]:
    """What `painting` starts, on three cores."""
    seen: list[Painters] = []

    class Seen(Painters):
        def __init__(self, count: int) -> None:
            super().__init__(count)
            seen.append(self)

    monkeypatch.setattr(painters, "num_cores", lambda: 3)
    monkeypatch.setattr(painters, "Painters", Seen)
    return seen


def test_files_are_the_same_bytes(started: list[Painters]) -> None:
    titles = ["one", "two $x^2$", "three", "four"]
    with painting():
        found = [render(figure(title)) for title in titles]
        assert all(isinstance(files, Painting) for files in found)
        assert found[0]["png"].startswith(b"\x89PNG")
    for files, title in zip(found, titles, strict=True):
        assert set(files) == {"png", "svg", "pdf"}
        assert dict(files) == drawn(figure(title))
    (one,) = started
    assert len(one.processes) == 2
    assert all(process.poll() is not None for process in one.processes)


def test_what_a_dead_process_leaves_is_drawn_here(started: list[Painters]) -> None:
    with painting():
        assert render(figure("first"))["png"]
        (one,) = started
        assert one.processes
        for process in one.processes:
            process.kill()
            process.wait()
        found = [render(figure(title)) for title in ("one", "two", "three")]
    assert [dict(files) for files in found] == [drawn(figure(t)) for t in ("one", "two", "three")]


@pytest.mark.usefixtures("started")
def test_where_no_process_may_begin_all_is_drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr("swagflow.report.painters.subprocess.Popen", refused)
    with painting():
        files = render(figure("one"))
    assert dict(files) == drawn(figure("one"))


def interrupted() -> None:
    with painting():
        render(figure("one"))
        raise RuntimeError("what went wrong")


def test_an_error_in_the_block_leaves_no_process(started: list[Painters]) -> None:
    with pytest.raises(RuntimeError, match="what went wrong"):
        interrupted()
    assert all(process.poll() is not None for process in started[0].processes)
    assert type(render(figure("two"))) is dict, "outside of the block it is drawn at once"


def test_one_core_draws_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painters, "num_cores", lambda: 1)
    with painting():
        assert type(render(figure("one"))) is dict
