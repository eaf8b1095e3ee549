import csv
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from swag.held_out import is_held_out
from swag.stats import bootstrap_interval, compare, holm, student_interval
from swag.types import Kind
from swagflow.report.export import sheet_of
from swagflow.report.paper import paper_values
from swagflow.report.rows import by_threshold, by_variant, roar_scores
from swagflow.report.sections import Section, build_sections
from swagflow.report.source import Run
from swagflow.report.tables import (
    Missing,
    Rules,
    bootstrap_rules,
    make_table,
    missing_rows,
)
from swagflow.report.texts import WEAK_LOCALISATION, metric_text
from swagflow.report.views import cell_view, paper_view, table_view
from swagflow.store.experiments import Roar
from tests.support.fake_run import make_run, scores_frame

NAN = float("nan")
COLUMN = ("digit_scenes", "tiny_vgg", "")
KINDS: dict[str, Kind] = {
    "random": "control",
    "grad_cam": "region",
    "swag": "region",
    "guided_backprop": "pixel",
}


@pytest.fixture(scope="module")
def fake_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return Run(make_run(folder, methods=("random", "swag_g", "lime"), num_images=4))


@pytest.fixture(scope="module")
def fake_sections(fake_run: Run) -> dict[str, Section]:
    return {section.name: section for section in build_sections(fake_run)}


VALUES = {
    "random": [0.9, 0.8, 0.7, 0.8],
    "grad_cam": [0.3, 0.4, 0.5, NAN],
    "swag": [0.2, 0.3, 0.4, 0.3],
    "guided_backprop": [0.1, 0.2, 0.1, 0.2],
}
DELETION = metric_text("deletion", {"class": "Deletion", "steps": 28, "fill": "mean"})
LOWER = bootstrap_rules(higher_is_better=False, seed=0)


def test_means_counts_and_marks_by_hand() -> None:
    table = make_table(scores_frame(VALUES), KINDS, LOWER, {})
    cells = {method: table.cell(method, COLUMN) for method in KINDS}
    means = {method: cell.mean for method, cell in cells.items()}
    assert means == pytest.approx(
        {"random": 0.8, "grad_cam": 0.4, "swag": 0.3, "guided_backprop": 0.15}
    )
    assert [(cell.n, cell.n_missing) for cell in cells.values()] == [(4, 0), (3, 1), (4, 0), (4, 0)]
    assert [method for method, cell in cells.items() if cell.best] == ["guided_backprop"]
    assert [method for method, cell in cells.items() if cell.best_region] == ["swag"]


def test_the_other_direction_marks_the_largest() -> None:
    rules = bootstrap_rules(higher_is_better=True, seed=0)
    table = make_table(scores_frame(VALUES), KINDS, rules, {})
    assert [cell.method for cell in table.cells if cell.best] == ["random"]
    assert [cell.method for cell in table.cells if cell.best_region] == ["grad_cam"]


def test_intervals_and_tests_are_those_of_the_statistics() -> None:
    table = make_table(scores_frame(VALUES), KINDS, LOWER, {})
    value_NM = np.array([VALUES[method] for method in KINDS]).T
    low_M, high_M = bootstrap_interval(value_NM)
    assert [cell.ci_low for cell in table.cells] == pytest.approx(low_M)
    assert [cell.ci_high for cell in table.cells] == pytest.approx(high_M)
    others = compare(value_NM[:, [0, 1, 3]], value_NM[:, 2])
    tested = [cell for cell in table.cells if cell.method != "swag"]
    assert [cell.difference for cell in tested] == pytest.approx(others.difference_M)
    assert [cell.n_pairs for cell in tested] == [4, 3, 4]
    assert [cell.p_holm for cell in tested] == pytest.approx(holm(others.p_M))
    assert table.cell("swag", COLUMN).p_value is None


def test_a_method_without_any_value_is_shown_as_missing() -> None:
    frame = scores_frame({**VALUES, "swag": [NAN] * 4})
    cell = make_table(frame, KINDS, LOWER, {}).cell("swag", COLUMN)
    assert (cell.mean, cell.ci_low, cell.n, cell.n_missing, cell.best) == (None, None, 0, 4, False)
    absent = {method: values for method, values in VALUES.items() if method != "swag"}
    cell = make_table(scores_frame(absent), KINDS, LOWER, {}).cell("swag", COLUMN)
    assert (cell.n, cell.n_missing) == (0, 4)


def test_methods_without_a_shared_image_are_not_compared() -> None:
    frame = scores_frame({"grad_cam": [NAN, 0.5], "swag": [0.1, NAN]})
    kinds: dict[str, Kind] = {"grad_cam": "region", "swag": "region"}
    cell = make_table(frame, kinds, LOWER, {}).cell("grad_cam", COLUMN)
    assert (cell.mean, cell.p_holm, cell.difference) == (0.5, None, None)


def test_a_table_over_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="every score is missing"):
        make_table(scores_frame({"swag": [NAN, NAN]}), {"swag": "region"}, LOWER, {})


def test_the_order_of_rows_changes_nothing() -> None:
    frame = scores_frame(VALUES)
    shuffled = frame.sample(frac=1, random_state=3)
    assert make_table(frame, KINDS, LOWER, {}).csv() == make_table(shuffled, KINDS, LOWER, {}).csv()


def test_csv_has_a_row_for_each_cell() -> None:
    two = pd.concat([scores_frame(VALUES), scores_frame(VALUES, model="tiny_resnet")])
    text = make_table(two, KINDS, LOWER, {("swag", *COLUMN): 0.25}).csv().decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 8
    assert rows[2]["method"] == "swag"
    assert rows[2]["best_region"] == "true"
    assert (rows[2]["mean"], rows[2]["paper"], rows[2]["p_holm"]) == ("0.3", "0.25", "")
    assert rows[6]["paper"] == ""


def test_missing_rows_give_their_reason() -> None:
    frame = scores_frame({"swag": [0.1, NAN, NAN], "grad_cam": [0.1, 0.2, 0.3]})
    frame.loc[1, "error"] = "cannot be decoded"
    frame = frame[(frame["explainer"] != "grad_cam") | (frame["image_id"] != "i0")]
    found = missing_rows(frame, "deletion", ["swag", "grad_cam"])
    assert [(row.method, row.image_id, row.error) for row in found] == [
        ("swag", "i1", "cannot be decoded"),
        ("swag", "i2", "the metric gave no score"),
        ("grad_cam", "i0", "not computed yet"),
    ]
    text = sheet_of("missing", Missing, found).encoded("csv").decode()
    assert text.splitlines()[1] == ("digit_scenes,tiny_vgg,swag,deletion,i1,cannot be decoded")


def test_values_of_the_paper() -> None:
    table1 = paper_values("table1")
    assert len(table1) == 11 * 8
    assert table1["swag_g", "imagenet", "vgg16", ""] == 0.073
    assert paper_values("table2")["swag_noise", "imagenet", "resnet50", ""] == 0.21
    assert paper_values("table3")["lime_ig", "imagenet", "vgg16", ""] == 0.09
    assert paper_values("table4")["swag_ig", "cub200", "resnet50", "plain"] == 0.172
    assert paper_values("table5")["rise", "imagenet", "vgg16", "energy"] == pytest.approx(0.4968)
    assert paper_values("table6")["xrai", "imagenet", "resnet50", "single"] == 30.57
    assert paper_values(None) == {}


def test_our_marks_on_the_papers_table_are_the_papers(fake_sections: dict[str, Section]) -> None:
    view = paper_view(fake_sections["table1"])
    assert [cell["text"] for cell in view["head"][0]] == [
        "ImageNet",
        "CUB-200-2011",
        "Stanford Dogs",
        "Flowers 102",
    ]
    rows = {row["method"]: row["cells"] for group in view["groups"] for row in group["rows"]}
    bold = {
        method: [place for place, cell in enumerate(cells) if cell["best_region"]]
        for method, cells in rows.items()
    }
    assert bold["swag_g"] == [0, 1, 2, 3, 4, 6, 7]
    assert bold["lime"] == [5]
    assert all(cell["best"] for cell in rows["guided_backprop"])


def test_rows_of_a_page_stand_in_groups_of_one_kind(
    fake_run: Run, fake_sections: dict[str, Section]
) -> None:
    view = table_view(fake_sections["table1"].table, DELETION, fake_run.labels)
    assert [[row["method"] for row in group["rows"]] for group in view["groups"]] == [
        ["random"],
        ["swag_g", "lime"],
    ]
    assert view["head"][0] == [{"text": "Digit scenes", "span": 2}]


def test_numbers_of_a_page() -> None:
    table = make_table(scores_frame(VALUES), KINDS, LOWER, {("swag", *COLUMN): 0.2})
    view = cell_view(table.cell("swag", COLUMN), DELETION, end=1.0)
    assert (view["mean"], view["paper"], view["missing"]) == ("0.300", "0.200", 0)
    assert view["interval"].replace("\u2009", "") == "0.225\u20130.375"
    view = cell_view(table.cell("guided_backprop", COLUMN), WEAK_LOCALISATION, end=1.0)
    assert view["mean"] == "15.0"
    assert view["difference"]["mean"] == "\u221215.0"
    tiny = replace(table.cell("grad_cam", COLUMN), difference=-0.0001)
    assert cell_view(tiny, DELETION, end=1.0)["difference"]["mean"] == "0.000"
    assert view["alike"]  # four images tell nothing apart: p is at least 1 / 8


def jobs(*rows: tuple[str, float, int, float | None]) -> pd.DataFrame:
    names = ["explainer", "removed_fraction", "repeat", "accuracy"]
    frame = pd.DataFrame(rows, columns=names)
    frame["error"] = [None if row[3] is not None else "out of memory" for row in rows]
    return frame.assign(dataset="cub200", model="resnet50")


def roar(
    *explainers: str, fractions: tuple[float, ...] = (0.0, 0.9), repeats: int = 1
) -> dict[str, Roar]:
    about = Roar(train="train", explainers=explainers, fractions=fractions, repeats=repeats)
    return {"cub200": about}


def test_roar_area_by_hand() -> None:
    frame = jobs(
        ("none", 0.0, 0, 0.8),
        ("swag", 0.5, 0, 0.6),
        ("swag", 0.9, 0, 0.2),
        ("lime", 0.5, 0, 0.4),
        ("lime", 0.9, 0, None),
    )
    settings = roar("swag", "lime", fractions=(0.9, 0.0, 0.5))
    rows = roar_scores(frame, settings).set_index(["explainer", "variant"])
    area = 0.5 * 0.7 + 0.4 * 0.4
    assert rows.loc[("swag", "plain"), "value"] == pytest.approx(area)
    assert rows.loc[("swag", "divided_by_range"), "value"] == pytest.approx(area / 0.9)
    assert rows.loc[("swag", "plain"), "curve"].tolist() == [0.8, 0.6, 0.2]
    assert np.isnan(rows.loc[("lime", "plain"), "value"])
    assert rows.loc[("lime", "plain"), "error"] == "out of memory"


def test_a_repeat_that_lacks_a_training_has_no_area() -> None:
    frame = jobs(("none", 0.0, 0, 0.8), ("swag", 0.9, 0, 0.2), ("swag", 0.9, 1, 0.2))
    rows = roar_scores(frame, roar("swag", repeats=3))
    rows = rows[rows["variant"] == "plain"].set_index("image_id")
    assert rows.loc["repeat 0", "value"] == pytest.approx(0.45)
    assert rows.loc["repeat 1", "error"] == "not every fraction is trained yet"
    assert rows.loc["repeat 2", "error"] == "not every fraction is trained yet"


def test_repeats_have_students_interval_and_no_test() -> None:
    frame = jobs(
        *(("none", 0.0, repeat, 0.8) for repeat in range(3)),
        *(
            (method, 0.9, repeat, 0.2 + 0.1 * repeat)
            for method in ("swag", "lime")
            for repeat in range(3)
        ),
    )
    rules = Rules(higher_is_better=False, interval=student_interval, tested=False)
    rows = roar_scores(frame, roar("swag", "lime", repeats=3))
    table = make_table(rows, {"swag": "region", "lime": "region"}, rules, {})
    cell = table.cell("swag", ("cub200", "resnet50", "plain"))
    low_M, high_M = student_interval(np.array([[0.45], [0.495], [0.54]]))
    assert (cell.ci_low, cell.ci_high) == pytest.approx((low_M[0], high_M[0]))
    assert (cell.n, cell.p_value) == (3, None)


def overlaps(
    method: str, best: Sequence[tuple[float, float] | None], **errors: str
) -> pd.DataFrame:
    """Return rows whose first images are held out and whose last are not."""
    ids = sorted((f"i{n}" for n in range(40)), key=lambda image_id: not is_held_out(image_id))
    count = len(best) // 2
    num_held = sum(map(is_held_out, ids))
    chosen = ids[:count] + ids[num_held : num_held + count]
    return pd.DataFrame(
        {
            "image_id": chosen,
            "value": [0.5] * len(best),
            "error": [errors.get("error") if pair is None else None for pair in best],
            "explainer": method,
            "dataset": "imagenet",
            "model": "vgg16",
            "iou_value": [None if pair is None else np.array(pair, np.float32) for pair in best],
        }
    )


def test_the_threshold_is_chosen_on_images_that_are_not_evaluated() -> None:
    held, evaluated = [(0.6, 0.4), (0.7, 0.5)], [(0.4, 0.9), (0.8, 0.9)]
    rows = by_threshold(overlaps("swag", held + evaluated))
    assert rows["value"].tolist() == [1.0, 0.0]
    assert rows["variant"].unique().tolist() == ["value"]
    assert not any(is_held_out(image_id) for image_id in rows["image_id"])


def test_images_without_boxes_are_missing_and_do_not_choose() -> None:
    held, evaluated = [(0.4, 0.9), (np.nan, np.nan)], [(np.nan, np.nan), None]
    frame = overlaps("swag", [*held, *evaluated], error="cannot be decoded")
    other = overlaps("lime", [*held, (0.4, 0.9), (0.4, 0.3)])
    rows = by_threshold(pd.concat([frame, other], ignore_index=True))
    assert rows["value"].isna().tolist() == [True, True, False, False]
    table = make_table(rows, {"swag": "region", "lime": "region"}, LOWER, {})
    column = ("imagenet", "vgg16", "value")
    assert (table.cell("swag", column).n, table.cell("lime", column).mean) == (0, 0.5)
    reasons = {row.error for row in missing_rows(rows, "weak_localisation", ["swag", "lime"])}
    assert reasons == {"the metric gave no score", "cannot be decoded"}


def test_without_held_out_boxes_no_threshold_can_be_chosen() -> None:
    nothing = (np.nan, np.nan)
    rows = by_threshold(overlaps("swag", [nothing, nothing, (0.4, 0.9), (0.4, 0.9)]))
    assert rows["value"].isna().all()
    assert "held out" in rows["error"].iloc[0]


def test_rows_of_other_metrics_come_back_as_they_are() -> None:
    frame = scores_frame({"swag": [0.5]})
    assert by_variant(frame) is frame


def test_timings_are_shown_alone_and_in_batches() -> None:
    frame = scores_frame({"swag": [0.5, 0.7], "lime": [31.1, 30.1]})
    frame = frame.assign(seconds_batched=[0.01, 0.03, 5.0, 6.0])
    table = make_table(by_variant(frame), {"swag": "region", "lime": "region"}, LOWER, {})
    assert [column[2] for column in table.columns] == ["single", "batched"]
    cells = [table.cell("swag", column) for column in table.columns]
    assert [
        cell_view(cell, metric_text("efficiency", {"class": "Efficiency"}), 1.0)["mean"]
        for cell in cells
    ] == ["0.600", "0.0200"]
