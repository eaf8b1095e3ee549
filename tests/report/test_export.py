"""Tables for papers and programs, and one table of a run by name."""

from __future__ import annotations

import io
import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from swag.types import Kind
from swagflow.cli import main
from swagflow.report.export import ENDINGS, MOST_PRINTED, Sheet, latex, table_sheet
from swagflow.report.source import Run
from swagflow.report.tables import bootstrap_rules, make_table
from swagflow.report.texts import metric_text
from swagflow.store.run_folder import Store
from tests.support.fake_run import fake_benchmark, make_run, scores_frame

NAN = float("nan")
DELETION = metric_text("deletion", {"class": "Deletion", "steps": 28, "fill": "mean"})
KINDS: dict[str, Kind] = {"random": "control", "swag": "region", "guided_backprop": "pixel"}
VALUES = {"random": [0.9, 0.9], "swag": [0.2, 0.2], "guided_backprop": [0.125, 0.125]}
METHODS = ("random", "swag", "swag_g")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("run")
    benchmark = fake_benchmark(METHODS, ("tiny_vgg", "tiny_resnet"))
    return make_run(folder, methods=METHODS, num_images=6, benchmark=benchmark)


def sheet(values: dict[str, list[float]], store: Store, *, higher: bool = False) -> Sheet:
    two = pd.concat([scores_frame(values), scores_frame(values, model="tiny_resnet")])
    table = make_table(two, KINDS, bootstrap_rules(higher_is_better=higher, seed=0), {})
    return table_sheet("table1", table, DELETION, Run(store).labels)


def test_latex_by_hand(store: Store) -> None:
    """The best of a column is bold, groups have a line each, and neighbours share their head."""
    assert sheet(VALUES, store).encoded("latex", intervals=False).decode().splitlines() == [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{Digit scenes} \\",
        r"\cmidrule(lr){2-3}",
        r"Method & Tiny VGG & Tiny ResNet \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{Controls, which know nothing of the model}} \\",
        r"Random & 0.900 & 0.900 \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{Region methods}} \\",
        r"SWAG & 0.200 & 0.200 \\",
        r"\midrule",
        r"\multicolumn{3}{l}{\emph{Pixel methods}} \\",
        r"Guided backprop & \textbf{0.125} & \textbf{0.125} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    text = sheet(VALUES, store, higher=True).encoded("latex").decode()
    assert r"Random & \textbf{0.900} {\scriptsize 0.900\,--\,0.900}" in text


def test_a_method_without_a_value_is_a_dash(store: Store) -> None:
    text = sheet({**VALUES, "swag": [NAN, NAN]}, store).encoded("latex").decode()
    assert r"SWAG & -- & -- \\" in text


def test_markdown_by_hand(store: Store) -> None:
    assert sheet(VALUES, store).encoded("markdown", intervals=False).decode().splitlines() == [
        "| Method | Digit scenes, Tiny VGG | Digit scenes, Tiny ResNet |",
        "| --- | ---: | ---: |",
        "| Random | 0.900 | 0.900 |",
        "| SWAG | 0.200 | 0.200 |",
        "| Guided backprop | **0.125** | **0.125** |",
    ]


def test_special_characters_are_no_commands() -> None:
    assert latex(r"a_b & 50% {x} #1 $y^2$ ~ \input <z>") == (
        r"a\_b \& 50\% \{x\} \#1 \$y\textasciicircum{}2\$ \textasciitilde{} "
        r"\textbackslash{}input \textless{}z\textgreater{}"
    )
    assert latex("\u22120.5\u2009\u2013\u20091") == r"$-$0.5\,--\,1"
    rows = Sheet("x", ["my_method", "n"], [["a|b*c_d", 3], [None, 0.5]])
    assert rows.encoded("markdown").decode().splitlines() == [
        r"| my\_method | n |",
        "| --- | ---: |",
        r"| a\|b\*c\_d | 3 |",
        "|  | 0.5 |",
    ]
    assert r"a|b*c\_d & 3 \\" in rows.encoded("latex").decode()
    assert r"\begin{tabular}{lr}" in rows.encoded("latex").decode()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
@pytest.mark.usefixtures("undrawn")
def test_every_table_of_a_run_is_typeset(tmp_path: Path) -> None:
    odd = {
        ("swag", "scene-0001"): "[out] of 50% & {memory} #1: a_b^2 ~ \\input $x <y> \u2212 \u2013"
    }
    store = make_run(tmp_path / "run", methods=METHODS, errors=odd)
    main_exit(["report", store.uri])
    tables = sorted((tmp_path / "run" / "tables").glob("*.tex"))
    assert {"missing.tex", "table1_deletion.tex"} <= {path.name for path in tables}
    starts = Sheet("x", ["a", "b"], [["[one]", 1], ["*two", 2], ["three", None]])
    (tmp_path / "starts.tex").write_bytes(starts.encoded("latex"))
    inputs = [rf"\input{{{path}}}\clearpage" for path in [*tables, tmp_path / "starts.tex"]]
    document = [
        r"\documentclass{article}",
        r"\usepackage{booktabs}",
        r"\begin{document}",
        *inputs,
        r"\end{document}",
    ]
    (tmp_path / "all.tex").write_text("\n".join(document))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert f"({len(inputs)} pages" in done.stdout


def main_exit(call: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(call)
    assert not stop.value.code


def test_json_has_every_digit_and_no_nan() -> None:
    rows = [["a", 1 / 3, True, 2], ["b", NAN, False, math.inf]]
    found = json.loads(Sheet("x", ["name", "value", "is", "n"], rows).encoded("json"))
    assert found == [
        {"name": "a", "value": 1 / 3, "is": True, "n": 2},
        {"name": "b", "value": None, "is": False, "n": "inf"},
    ]


def test_an_empty_sheet_is_a_head() -> None:
    empty = Sheet("x", ["a", "b"], [])
    assert empty.encoded("csv") == b"a,b\n"
    assert empty.encoded("json") == b"[]\n"
    assert empty.encoded("markdown") == b"| a | b |\n| --- | --- |\n"


def test_long_sheets_are_for_programs_only() -> None:
    paths = Sheet("x", ["a"], [[1]] * MOST_PRINTED).files()
    assert set(paths) == {f"tables/x.{ending}" for ending in ENDINGS.values()}
    longer = Sheet("x", ["a"], [[1]] * (MOST_PRINTED + 1)).files()
    assert set(longer) == {"tables/x.csv", "tables/x.json"}


def called(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    text = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, text.out, text.err


def test_the_command_prints_what_a_report_writes(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = called(["table", store.uri, "table1_deletion", "--format", "csv"], capsys)
    assert code == 0
    frame = pd.read_csv(io.StringIO(out))
    assert list(frame["method"]) == [*METHODS, *METHODS]
    assert not (Path(store.uri) / "tables").exists(), "nothing is written"
    code, out, _ = called(["table", store.uri, "table1_deletion_pairs", "--format", "json"], capsys)
    assert code == 0
    assert len(json.loads(out)) == 6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("table1_deletoin", "did you mean 'table1_deletion'"),
        ("other", "Known: accuracy, maps_agreement, missing, table1_deletion, "),
        ("accuracy", "table 'accuracy' is empty"),
        ("missing", "table 'missing' is empty"),
        ("maps_agreement", "table 'maps_agreement' is empty"),
        ("table1_deletion_correct", "is empty"),
    ],
)
def test_what_is_no_table_is_one_error(
    store: Store, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    code, out, err = called(["table", store.uri, name], capsys)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
