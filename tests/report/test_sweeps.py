"""Sweeps are found in what explainers are, and their lines are named after them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from swag.catalog import EXPLAINERS
from swagflow.config.identity import describe
from swagflow.config.load import load_benchmark
from swagflow.report.sections import build_sections
from swagflow.report.source import Run
from swagflow.report.sweeps import SweepPlot, sweep_of
from swagflow.store.experiments import Sweep
from swagflow.store.run_folder import Store
from tests.support.fake_run import (
    fake_benchmark,
    score_rows,
    write_benchmark,
    write_masks,
    write_scores,
)


def like(preset: str, **superpixels: object) -> dict[str, Any]:
    """Return the description of a preset with other superpixels."""
    described: dict[str, Any] = {**describe(EXPLAINERS[preset]), "kind": "region"}
    return {**described, "superpixels": {**described.get("superpixels", {}), **superpixels}}


def run_of(folder: Path, explainers: dict[str, dict[str, Any]], **experiment: object) -> Run:
    """Return a run of one experiment, with scores."""
    benchmark = fake_benchmark((), ("tiny_vgg",))
    benchmark["explainers"] = explainers
    study = {"metric": "deletion", "explainers": list(explainers), **experiment}
    benchmark["experiments"] = {"study": study}
    store = Store(str(folder))
    write_benchmark(store, benchmark)
    ids = ["a", "b", "c"]
    for place, name in enumerate(explainers):
        cell = ("digit_scenes", "tiny_vgg", name)
        write_scores(store, "deletion", cell, score_rows(ids, 0.1 + place / 50, (name,), {}))
        write_masks(store, cell, ids, 28, "region")
    return Run(store)


def plot_of(run: Run) -> SweepPlot | None:
    return sweep_of(run, run.experiments["study"])


def lines_of(run: Run) -> dict[str, list[str]]:
    plot = plot_of(run)
    assert plot is not None
    return {line.label: list(line.methods) for line in plot.lines}


@pytest.mark.usefixtures("undrawn")
def test_explainers_that_differ_in_one_number_are_a_sweep(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        {
            "swag_100": like("swag", num_segments=100),
            "swag_150": like("swag", num_segments=150),
            "grad_cam": {**describe(EXPLAINERS["grad_cam"]), "kind": "region"},
        },
    )
    plot = plot_of(run)
    assert plot is not None
    assert (plot.x, plot.x_label) == ("superpixels.num_segments", "Number of segments")
    assert lines_of(run) == {"SWAG": ["swag_100", "swag_150"]}
    (section,) = build_sections(run)
    assert section.table_shown
    assert [drawing.stem for drawing in section.drawings] == ["study_deletion", "study_curves"]


def test_methods_of_several_names_have_a_line_each(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        {
            f"{name}{end}": like(name, num_segments=number)
            for name in ("swag", "swag_ig")
            for end, number in (("", 300), ("_count-50", 50), ("_count-500", 500))
        },
    )
    assert lines_of(run) == {
        "SWAG": ["swag", "swag_count-50", "swag_count-500"],
        "SWAG I+G": ["swag_ig", "swag_ig_count-50", "swag_ig_count-500"],
    }


def grid(colours: tuple[float, ...], gradients: tuple[float, ...]) -> dict[str, dict[str, Any]]:
    return {
        f"weights-{w_c:g}-{w_g:g}": like("swag_ig", colour_weight=w_c, gradient_weight=w_g)
        for w_c in colours
        for w_g in gradients
    }


def test_of_two_numbers_the_last_is_x_and_the_other_makes_lines(tmp_path: Path) -> None:
    run = run_of(tmp_path, grid((20.0, 4.0), (4.0, 8.0)))
    plot = plot_of(run)
    assert plot is not None
    assert plot.x == "superpixels.gradient_weight"
    assert lines_of(run) == {
        "Colour weight 4": ["weights-4-4", "weights-4-8"],
        "Colour weight 20": ["weights-20-4", "weights-20-8"],
    }


@pytest.mark.usefixtures("undrawn")
def test_a_long_sweep_is_only_written(tmp_path: Path) -> None:
    several = (4.0, 6.0, 8.0, 10.0, 12.0)
    (section,) = build_sections(run_of(tmp_path, grid(several, several)))
    assert not section.table_shown
    assert [drawing.stem for drawing in section.drawings] == ["study_deletion"]


def test_an_experiment_may_say_what_its_sweep_is(tmp_path: Path) -> None:
    sweep = {
        "x": "superpixels.colour_weight",
        "x_label": "$w_c$ and $\\oops",
        "series": "superpixels.gradient_weight",
        "series_label": "w = {}",
    }
    run = run_of(tmp_path, grid((4.0, 20.0), (4.0, 8.0)), show={"sweep": sweep})
    assert run.experiments["study"].show.sweep == Sweep(**sweep)
    assert lines_of(run) == {
        "w = 4": ["weights-4-4", "weights-20-4"],
        "w = 8": ["weights-4-8", "weights-20-8"],
    }
    (section,) = build_sections(run)
    assert section.drawings[0].rendered["png"].startswith(b"\x89PNG")  # the formula is none


def test_without_a_number_that_differs_there_is_no_sweep(tmp_path: Path) -> None:
    explainers = {name: like(name) for name in ("swag", "swag_ig", "swag_g")}
    # They differ in the kind of superpixels, and in more than one number of each.
    explainers["swag_ig"]["superpixels"]["num_segments"] = 50
    assert plot_of(run_of(tmp_path / "other", explainers)) is None
    two = {"swag_1": like("swag", num_segments=1), "swag_2": like("swag", num_segments=2)}
    assert plot_of(run_of(tmp_path / "off", two, show={"sweep": False})) is None


def test_a_sweep_along_a_field_that_nothing_has_is_not_drawn(tmp_path: Path) -> None:
    two = {"swag_1": like("swag", num_segments=1), "swag_2": like("swag", num_segments=2)}
    assert plot_of(run_of(tmp_path, two, show={"sweep": {"x": "superpixels.depth"}})) is None


@pytest.mark.parametrize(("name", "num_lines"), [("figure3", 9), ("figure5", 3)])
def test_the_paper_s_figures_could_be_found_too(name: str, num_lines: int, tmp_path: Path) -> None:
    paper = load_benchmark("paper/all")
    experiment = paper.experiments[name]
    explainers = {
        each: {**describe(paper.explainers[each]), "kind": "region"}
        for each in experiment.explainers
    }
    run = run_of(tmp_path, explainers)
    told = sweep_of(run, experiment)
    found = plot_of(run)
    assert told is not None
    assert found is not None
    assert found.x == told.x
    assert [line.methods for line in found.lines] == [line.methods for line in told.lines]
    assert len(found.lines) == num_lines
