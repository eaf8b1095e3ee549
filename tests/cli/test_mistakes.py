"""A wrong call is one message and exit code 2, without a traceback and with nothing lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from swagflow.cli import main

SMALL = (
    *("run", "full-benchmark", "--workers", "0", "--only", "table1"),
    *("--set", "datasets.digit_scenes.images=2", "--set", "models=[small_resnet]"),
    *("--set", "explainers=[centre]"),
)


def said(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    text = capsys.readouterr()
    assert "Traceback" not in text.out + text.err
    return text.out + text.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--run-dir", "memory://run"), "ends with this command"),
        (("--run-dir", "s3://["), "is not an address of a folder"),
        (("--run-dir", "FILE"), "Not a directory"),
        (("--run-dir", "FILE/below"), "Not a directory"),
        (("--set", "explainers.centre.type=os:system"), "'os:system' is no explainer"),
        (("--set", "explainers.centre.type=../x:y"), "'../x:y' cannot be imported"),
        (("--set", "shard_size=1e12"), "shard_size: wanted a whole number"),
        (("--set", "datasets.digit_scenes.images=1000000000000"), "at most 10,000,000"),
        (("--set", "seed: ["), "wanted key=value"),
        (("--set", "seed=["), "the value is not YAML"),
        (("--only", "table9"), "unknown key 'only.table9'"),
    ],
)
def test_a_wrong_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "FILE").write_text("precious")
    words = [word.replace("FILE", str(tmp_path / "FILE")) for word in options]
    if "--run-dir" not in words:
        words += ["--run-dir", str(tmp_path / "run")]
    assert message in said([*SMALL, *words], capsys)
    assert (tmp_path / "FILE").read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"FILE"}


@pytest.mark.parametrize("call", [("status",), ("report",), ("check",), (*SMALL, "--run-dir")])
def test_a_run_folder_of_a_newer_schema_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], call: tuple[str, ...]
) -> None:
    file = tmp_path / "benchmark.yaml"
    file.write_text("schema_version: 99\nname: of tomorrow\n")
    told = said([*call, str(tmp_path)], capsys)
    assert told.count("has schema version 99, and this swagflow reads up to 1") == 1
    assert file.read_text() == "schema_version: 99\nname: of tomorrow\n"
    assert [path.name for path in tmp_path.iterdir()] == ["benchmark.yaml"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--target", "70"), "targets must be classes 0 to 9 of the model, got 70"),
        (("--output", "NOWHERE/out.png"), "there is no folder"),
        (("--method", "grad_cams"), "did you mean 'grad_cam'"),
    ],
)
def test_a_wrong_explanation_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    picture = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    words = [word.replace("NOWHERE", str(tmp_path / "nowhere")) for word in options]
    call = ["explain", str(picture), "--model", "tiny_resnet", "--method", "grad_cam"]
    call += ["--output", str(tmp_path / "out.png")]
    assert message in said([*call, *words], capsys)
    assert not (tmp_path / "out.png").exists()
