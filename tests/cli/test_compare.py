"""`swagflow compare`: runs beside each other, and a bound that numbers may not cross."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from swag.stats import compare as compared
from swagflow.cli import main
from swagflow.store.run_folder import Store
from tests.support.fake_run import LEVELS, fake_benchmark, make_run, score_rows, write_scores

ONE, TWO = ("random", "swag", "lime", "xrai"), ("random", "swag", "lime", "rise")
SCENES = ("digit_scenes", "tiny_vgg")


def folder(path: Path, methods: Sequence[str], **more: object) -> Store:
    benchmark = fake_benchmark(methods, ("tiny_vgg",), **more)
    return make_run(path, methods=methods, models=("tiny_vgg",), num_images=20, benchmark=benchmark)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Store]:
    """Two runs: in the second, swag is worse by a tenth, and one image has no value for lime."""
    base = tmp_path_factory.mktemp("runs")
    subject = "/".join(SCENES)
    one = folder(base / "one", ONE, subjects={subject: {"dataset": "x"}})
    two = folder(base / "two", TWO, seed=7, subjects={subject: {"dataset": "y"}})
    ids = [f"scene-{number:04d}" for number in range(20)]
    rows = score_rows(ids, LEVELS["swag"][1], ("swag", "tiny_vgg"), {})
    worse = [{**row, "value": row["value"] * 1.1} for row in rows]
    write_scores(two, "deletion", (*SCENES, "swag"), worse)
    lost = score_rows(ids, LEVELS["lime"][1], ("lime", "tiny_vgg"), {ids[3]: "broken"})
    write_scores(two, "deletion", (*SCENES, "lime"), lost)
    return one, two


def called(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, arguments)])
    text = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, text.out, text.err


def test_the_same_images_are_paired(
    runs: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = runs
    code, out, _ = called([one.uri, two.uri, "--out", tmp_path / "out"], capsys)
    assert code == 0
    assert "B beside A: 3 means over the same images, 1 of them moved; 1 in A only, 1 in B" in out
    assert "in A only: deletion digit_scenes tiny_vgg xrai" in out
    assert "in B only: deletion digit_scenes tiny_vgg rise" in out
    assert "data set digit_scenes: the images are not the same" in out
    assert "1 means lack images of A that have no value in B, 1 at most" in out
    found = pd.read_json(tmp_path / "out" / "tables" / "changes.json").set_index("method")
    assert list(found.index) == ["random", "swag", "lime"]
    values = [
        store.read_scores("deletion").pivot(index="image_id", columns="explainer", values="value")
        for store in runs
    ]
    expected = compared(
        values[1][["swag"]].to_numpy(np.float64), values[0]["swag"].to_numpy(np.float64)
    )
    row = found.loc["swag"]
    assert row["difference"] == pytest.approx(0.1 * values[0]["swag"].mean())
    ends = float(expected.low_M[0]), float(expected.high_M[0])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(ends)
    assert row["p_value"] == pytest.approx(expected.p_M[0])
    assert row["p_holm"] == pytest.approx(3 * expected.p_M[0])
    assert row["better_share"] == 0
    assert (found.loc["lime", "n"], found.loc["lime", "n_only"]) == (19, 1)
    assert found.loc["random", ["difference", "p_value", "better_share"]].tolist() == [0, 1, 0.5]


def test_settings_that_differ_are_named(
    runs: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called([runs[0].uri, runs[1].uri, "--out", tmp_path / "out"], capsys)
    settings = pd.read_csv(tmp_path / "out" / "tables" / "settings.csv").set_index("setting")
    assert settings.loc["seed", ["in_a", "in_run"]].tolist() == ["0", "7"]
    assert settings.loc["explainers.xrai.class", "in_run"] == "not there"
    assert not settings.index.str.startswith("provenance").any()
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "not the same in both runs" in page
    assert '<span class="alike">worse</span>' in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("bounds", "code"),
    [(["0.0001"], 1), (["0.5"], 0), (["0.0001", "deletion=0.5"], 0), (["0.5", "deletion=0"], 1)],
)
def test_a_bound_fails_where_a_number_moved_further(
    runs: tuple[Store, Store],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bounds: list[str],
    code: int,
) -> None:
    options = [word for bound in bounds for word in ("--bound", bound)]
    found, out, _ = called([runs[0].uri, runs[1].uri, "--out", tmp_path / "out", *options], capsys)
    assert found == code
    assert ("moved beyond" in out) == bool(code)
    if code:
        assert "deletion digit_scenes tiny_vgg swag: 0.0" in out


def test_a_run_beside_itself_does_not_move(
    runs: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = runs[0].uri
    code, out, _ = called([one, one, one, "--bound", "0", "--out", tmp_path / "out"], capsys)
    assert code == 0
    assert "B beside A: 4 means over the same images, 0 of them moved; 0 in A only" in out
    assert "C beside A" in out
    assert "No number moved beyond the bound" in (tmp_path / "out" / "comparison.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ONE"], "compare needs 2 to 26 run folders, got 1"),
        (["ONE", "NOWHERE"], "is not a run folder"),
        (["ONE", "OTHER"], "no image with a value of the same metric"),
        (["ONE", "TWO", "--bound", "deletoin=1"], "did you mean 'deletion'"),
        (["ONE", "TWO", "--bound", "much"], "'much': wanted a number from 0 on"),
        (["ONE", "TWO", "--bound", "-1"], "'-1': wanted a number from 0 on"),
        (["ONE", "TWO", "--bound", "nan"], "wanted a number from 0 on"),
    ],
)
def test_what_cannot_be_compared_is_one_error(
    runs: tuple[Store, Store],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    folder(tmp_path / "other", ("sobel",))
    places = {
        "ONE": runs[0].uri,
        "TWO": runs[1].uri,
        "NOWHERE": str(tmp_path / "nowhere"),
        "OTHER": str(tmp_path / "other"),
    }
    arguments = [places.get(word, word) for word in words]
    code, _, err = called([*arguments, "--out", tmp_path / "out"], capsys)
    assert code == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
