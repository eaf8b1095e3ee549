"""Which differences of a table hold, by class and correctness, and how far maps agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from swag.agreement import agreement_of_maps, krippendorff_alpha
from swag.comparing import compare_pairs
from swag.stats import Bootstrap
from swagflow.errors import UserError
from swagflow.front.results import Results
from swagflow.page.holds_view import holds_view
from swagflow.page.maps_view import maps_view
from swagflow.report.holds import holds_of
from swagflow.report.maps_alike import maps_alike, maps_drawing, maps_sheet
from swagflow.report.pairs import Differences, differences
from swagflow.report.rank_diagram import RankPanel, rank_diagram
from swagflow.report.sections import build_sections
from swagflow.report.source import Run
from swagflow.report.splits import by_class, by_correctness, split_sheets
from swagflow.store.run_folder import Store
from tests.support.fake_run import fake_benchmark, make_run, scores_frame

NAN = float("nan")
METHODS = ("random", "swag", "lime", "xrai")
MODELS = ("tiny_vgg", "tiny_resnet", "other")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    subjects = {f"digit_scenes/{model}": {"dataset": "x"} for model in MODELS}
    benchmark = fake_benchmark(METHODS, MODELS, subjects=subjects)
    folder = tmp_path_factory.mktemp("run")
    return make_run(folder, methods=METHODS, models=MODELS, num_images=20, benchmark=benchmark)


@pytest.fixture(scope="module")
def run(store: Store) -> Run:
    return Run(store)


def made(values: dict[str, list[float]]) -> Differences:
    found = differences(
        "t", scores_frame(values), list(values), higher_is_better=False, bootstrap=Bootstrap()
    )
    assert found is not None
    return found


def test_a_column_by_hand() -> None:
    values = {"a": [0.1] * 8, "b": [0.2] * 7 + [NAN], "c": [NAN] * 8, "d": [0.1] * 8}
    (column,) = made(values).columns
    assert column.methods == ["a", "b", "d"]
    assert column.order.rank_M.tolist() == [1.5, 3, 1.5]
    assert column.alike(0) == [2]
    assert column.alike(1) == []  # seven times the same: p = 1/64, times 2 of 3 pairs by Holm
    assert column.friedman is not None
    assert column.friedman.num_blocks == 7


def test_sheets_have_a_row_for_each_pair_and_method() -> None:
    found = made({"a": [0.1, 0.3, 0.2], "b": [0.4, 0.2, 0.6], "c": [0.5, 0.6, 0.7]})
    pairs, order, friedman = (sheet.frame() for sheet in found.sheets())
    assert list(zip(pairs["method"], pairs["other_method"], strict=True)) == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    value_NM = np.array([[0.1, 0.4, 0.5], [0.3, 0.2, 0.6], [0.2, 0.6, 0.7]])
    expected = compare_pairs(value_NM, higher_is_better=False)
    assert pairs["p_holm"].to_numpy() == pytest.approx(expected.p_holm_P)
    assert pairs["better_share"].tolist() == pytest.approx([2 / 3, 1, 1])
    assert order["mean_image_rank"].tolist() == pytest.approx([4 / 3, 5 / 3, 3])
    assert friedman["n_blocks"].tolist() == [3]
    ranks = stats.rankdata(value_NM, axis=1)
    assert friedman["alpha"].tolist() == pytest.approx([krippendorff_alpha(ranks)])
    assert [sheet.name for sheet in found.sheets()] == ["t_pairs", "t_order", "t_friedman"]


def test_nothing_holds_among_fewer_than_two_methods() -> None:
    frame = scores_frame({"a": [0.1, 0.2], "b": [NAN, NAN]})
    assert differences("t", frame, ["a", "b"], higher_is_better=True, bootstrap=Bootstrap()) is None


def test_a_section_has_its_orders_tests_and_diagram(run: Run) -> None:
    (section,) = build_sections(run, drawn=False)
    holds = holds_of(run, section)
    assert holds is not None
    assert holds.drawing is not None
    assert holds.drawing.stem == "table1_deletion_ranks"
    assert b"critical difference" in holds.drawing.rendered["svg"]
    over = holds.differences.over_columns
    assert over is not None
    assert over.num_blocks == 3
    view = holds_view(holds, run.labels)
    assert view["over"].startswith("Friedman's test over 3 columns: F")
    rows = view["columns"][0]["rows"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[-1]["method"] == "random"
    assert rows[-1]["first"] == "0\u2009%"
    assert (rows[-1]["alike"], rows[-1]["needed"]) == ([], "")
    assert "with every method: F" in view["columns"][0]["test"]


def test_a_diagram_of_one_order_draws_no_bar() -> None:
    found = differences(
        "t",
        scores_frame({"a": [1.0] * 50, "b": [2.0] * 50, "c": [3.0] * 50}),
        ["a", "b", "c"],
        higher_is_better=False,
        bootstrap=Bootstrap(),
    )
    assert found is not None
    (column,) = found.columns
    assert column.friedman is not None
    assert column.friedman.alike == []
    figure = rank_diagram([RankPanel("$ here", ["A", "B", "C"], column.friedman)])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [text.split() for text in texts if text[:1] in "AB"] == [["A", "1.00"], ["B", "2.00"]]
    assert "critical difference" in texts[3]


def labelled() -> pd.DataFrame:
    frame = scores_frame({"swag": [0.1, 0.3, 0.5, 0.6, 0.9], "lime": [0.2, 0.2, 0.4, NAN, 0.4]})
    return frame.assign(label=[0, 0, 1, 1, 1] * 2, prediction=[0, 0, 1, 0, 0] * 2)


def test_means_by_class_have_students_interval() -> None:
    found = by_class(labelled().dropna(subset="value").assign(variant=""))
    row = found[(found["method"] == "swag") & (found["label"] == 1)].iloc[0]
    values = [0.5, 0.6, 0.9]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (row["mean"], row["n"]) == (pytest.approx(np.mean(values)), 3)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((expected.low, expected.high))
    assert len(found) == 4


def test_correct_and_wrong_images_are_compared_by_welch() -> None:
    found = by_correctness(labelled().dropna(subset="value").assign(variant=""))
    row = found.set_index("method").loc["swag"]
    right, wrong = [0.1, 0.3, 0.5], [0.6, 0.9]
    expected = stats.ttest_ind(right, wrong, equal_var=False).confidence_interval(0.95)
    assert row["difference"] == pytest.approx(np.mean(right) - np.mean(wrong))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((expected.low, expected.high))
    assert (row["n_correct"], row["n_wrong"]) == (3, 2)
    lime = found.set_index("method").loc["lime"]
    assert np.isnan([lime["ci_low"], lime["ci_high"]]).all()  # one wrong image has no spread


def test_splits_need_labels_and_both_sides() -> None:
    frame = labelled()
    assert [sheet.name for sheet in split_sheets("t", frame)] == ["t_classes", "t_correctness"]
    right = frame.assign(prediction=frame["label"])
    assert [sheet.name for sheet in split_sheets("t", right)] == ["t_classes"]
    assert split_sheets("t", frame.drop(columns="prediction")) == []
    assert split_sheets("t", frame.assign(label=None)) == []


def test_agreement_of_maps_is_that_of_the_stored_ones(run: Run) -> None:
    found = maps_alike(run, 3)
    assert [(item.model, item.num_images) for item in found] == [(model, 3) for model in MODELS]
    item = found[0]
    stored = {m: run.store.read_explanations("digit_scenes", "tiny_vgg", m) for m in item.methods}
    ids = list(stored[item.methods[0]])[:3]
    for place, image_id in enumerate(ids):
        expected = agreement_of_maps(np.stack([stored[m][image_id] for m in item.methods]))
        assert item.value_NMMK[place, ..., 0] == pytest.approx(expected.spearman_MM)
        assert item.value_NMMK[place, ..., 1] == pytest.approx(expected.top_MM)
    frame = maps_sheet(found, 0).frame()
    assert len(frame) == 3 * 6
    assert (frame["ci_low"] <= frame["spearman"]).all()
    assert (frame["n"] == 3).all()
    drawing = maps_drawing(found, run.labels)
    view = maps_view(found, drawing, run.labels)
    assert "over the first 3 images" in view["summary"]
    assert b"rank correlation" in drawing.rendered["svg"]


def test_python_has_the_same_tables(store: Store, run: Run) -> None:
    results = Results.read(store.uri)
    pairs, order = results.pairs(), results.order("deletion")
    assert len(pairs) == 3 * 6
    assert set(order.groupby("model")["first_share"].sum().round(6)) == {1.0}
    assert results.friedman()["blocks"].tolist() == ["images"] * 3 + ["columns"]
    power = results.power("random", "swag", [3, 10, 1000])
    assert power["power"].tolist()[::3] == [0.0] * 3
    assert (power["power"].to_numpy()[2::3] > 0.99).all()
    assert len(results.map_agreement(2)) == 3 * 6
    assert results.splits() == {}
    with pytest.raises(UserError, match="method 'rise' has no values; there are random, swag"):
        results.power("rise", "swag", [3])
