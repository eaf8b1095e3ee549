"""All metrics at once: ranks of the printed means, and who is best at what cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swagflow.page.overview_view import overview_view
from swagflow.report.overview import cost_drawing, on_the_front, overview_of
from swagflow.report.sections import build_sections
from swagflow.report.source import Run
from tests.support.fake_run import fake_benchmark, make_run, score_rows, write_scores

METHODS = ("random", "grad_cam", "swag", "swag_g")
MODELS = ("tiny_vgg", "tiny_resnet")
PASSES = {"random": (1, 0), "grad_cam": (1, 1), "swag": (1, 1), "swag_g": (1, 2)}


def made(folder: Path, passes: dict[str, tuple[int, int]]) -> Run:
    """Return a run of deletion by four methods, and of insertion by three of them."""
    benchmark: dict[str, Any] = fake_benchmark(METHODS, MODELS)
    for name, (forwards, backwards) in passes.items():
        counts = {"forwards": forwards, "backwards": backwards}
        benchmark["explainers"][name]["passes"] = counts
    benchmark["metrics"]["insertion"] = {"class": "Insertion", "higher_is_better": True}
    some = list(METHODS[:3])
    benchmark["experiments"]["more"] = {"metric": "insertion", "explainers": some}
    store = make_run(folder, methods=METHODS, models=MODELS, benchmark=benchmark)
    ids = [f"scene-{number:04d}" for number in range(12)]
    for level, method in enumerate(some):
        rows = score_rows(ids, 0.2 + 0.1 * level, (method, "insertion"), {})
        write_scores(store, "insertion", ("digit_scenes", "tiny_vgg", method), rows)
    return Run(store)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(tmp_path_factory.mktemp("run"), PASSES)


def test_ranks_are_those_of_the_printed_means(run: Run) -> None:
    sections = build_sections(run, drawn=False)
    found = overview_of(run, sections, sections[0])
    assert found is not None
    assert [section.metric for section in found.sections] == ["deletion", "insertion"]
    place = {name: row for row, name in enumerate(found.methods)}
    for column, section in enumerate(found.sections):
        for method in METHODS:
            ranks = []
            for subject in section.table.columns:
                own = {
                    name: section.table.cell(name, subject).mean
                    for name in METHODS
                    if name in section.table.methods
                }
                if method in own:
                    better = [
                        name
                        for name, mean in own.items()
                        if (mean > own[method] if section.higher_is_better else mean < own[method])  # type: ignore[operator]
                    ]
                    ranks.append(1 + len(better))
            shown = found.rank_MK[place[method], column]
            np.testing.assert_equal(shown, np.mean(ranks) if ranks else np.nan)
    np.testing.assert_allclose(found.overall_M, np.nanmean(found.rank_MK, axis=1))
    assert found.overall_M.tolist() == sorted(found.overall_M)
    assert np.isnan(found.rank_MK[place["swag_g"], 1])
    assert {name: found.passes_M[row] for name, row in place.items()} == {
        "random": 1,
        "grad_cam": 3,
        "swag": 3,
        "swag_g": 5,
    }


def test_the_page_has_them_as_text(run: Run) -> None:
    sections = build_sections(run, drawn=False)
    found = overview_of(run, sections, sections[0])
    assert found is not None
    drawing = cost_drawing(run, found)
    assert drawing is not None
    assert drawing.rendered["svg"].count(b"~mean") >= len(METHODS) * len(MODELS)
    view = overview_view(found, drawing)
    assert [row["method"] for row in view["rows"]] == list(found.methods)
    last = next(row for row in view["rows"] if row["method"] == "swag_g")
    assert last["cells"][1] == {"rank": "none", "first": False, "shade": 0}
    assert last["passes"] == "5"
    assert [row["scored_by"] for row in view["rows"] if row is not last] == [""] * 3
    assert last["scored_by"] == "1 of 2 metrics"
    assert sum(row["cells"][0]["first"] for row in view["rows"]) == 1
    assert view["metrics"][1]["direction"] == "higher"


def test_a_folder_that_knows_no_passes_has_ranks_alone(tmp_path: Path) -> None:
    run = made(tmp_path, {})
    sections = build_sections(run, drawn=False)
    found = overview_of(run, sections, sections[0])
    assert found is not None
    assert np.isnan(found.passes_M).all()
    assert cost_drawing(run, found) is None
    assert not overview_view(found, None)["has_passes"]


def test_two_methods_are_no_overview(tmp_path: Path) -> None:
    run = Run(make_run(tmp_path, methods=METHODS[:2], models=MODELS[:1]))
    sections = build_sections(run, drawn=False)
    assert overview_of(run, sections, sections[0]) is None


POINTS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), max_size=8)


@given(POINTS)
def test_nothing_beats_the_front_and_the_front_beats_all_else(points: list[Any]) -> None:
    front = on_the_front(points)
    for place, (cost, loss) in enumerate(points):
        beaten = any(
            other <= cost and less <= loss and (other, less) != (cost, loss)
            for other, less in points
        )
        assert (place in front) <= (not beaten)
        assert beaten or any(points[kept] == (cost, loss) for kept in front)
    costs = [points[place][0] for place in front]
    assert costs == sorted(set(costs))
