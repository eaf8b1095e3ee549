"""A folder of real photographs at 224x224 with the models of the paper, bad files among them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image
from rich.console import Console

from swagflow.cli.guard import guarded
from swagflow.cli.run import run_benchmark
from swagflow.config.load import load_benchmark
from swagflow.engine.resources import choose_resources
from swagflow.store.run_folder import Store

PHOTOGRAPHS = {
    "people": ["astronaut", "camera"],
    "things": ["coffee", "rocket"],
    "cats": ["chelsea"],
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, with a grey, a CMYK and a 1x1 picture and two files that are no pictures."""
    root = tmp_path_factory.mktemp("photographs")
    for folder, names in PHOTOGRAPHS.items():
        (root / folder).mkdir()
        for name in names:
            Image.fromarray(getattr(skimage.data, name)()).save(root / folder / f"{name}.jpg")
    cat = Image.fromarray(skimage.data.chelsea())
    cat.convert("CMYK").save(root / "cats" / "cmyk.jpg")
    cat.convert("L").save(root / "cats" / "grey.png")
    Image.fromarray(np.full((1, 1, 3), 99, np.uint8)).save(root / "cats" / "one_pixel.png")
    whole = (root / "people" / "astronaut.jpg").read_bytes()
    (root / "people" / "truncated.jpg").write_bytes(whole[: len(whole) // 3])
    (root / "things" / "notes.jpg").write_text("not a picture\n")
    return root


def run(photographs: Path, folder: Path, *overrides: str) -> tuple[int, str]:
    stream = io.StringIO()
    console = Console(file=stream, width=200)
    settings = [f"dataset.root={photographs}", *overrides]
    code = guarded(
        lambda: run_benchmark(
            load_benchmark("image-folder", settings),
            str(folder),
            choose_resources(0),
            retry_errors=False,
            console=console,
        ),
        console,
    )
    return code, stream.getvalue()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bad_files_are_named_and_the_rest_is_scored(photographs: Path, tmp_path: Path) -> None:
    code, output = run(
        photographs,
        tmp_path / "run",
        "models={resnet18: {weights: 'random:0'}, squeezenet1_1: {weights: 'random:0'}}",
        "explainers=[centre, grad_cam, swag_ig, guided_backprop]",
        "metrics.deletion.steps=2",
    )
    assert code == 1
    assert "people/truncated.jpg" in output
    assert "things/notes.jpg" in output
    scores = Store(str(tmp_path / "run")).read_scores("deletion")
    assert len(scores) == 10 * 4 * 2
    bad = scores[scores["error"].notna()]
    assert set(bad["image_id"]) == {"people/truncated.jpg", "things/notes.jpg"}
    good = scores[scores["error"].isna()]
    assert {"cats/cmyk.jpg", "cats/grey.png", "cats/one_pixel.png"} <= set(good["image_id"])
    assert good["value"].between(0, 1).all()
    table = pd.read_csv(tmp_path / "run" / "tables" / "table1_deletion.csv")
    assert set(table["n"]) == {8}
    assert set(table["n_missing"]) == {2}
    assert (tmp_path / "run" / "report.html").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dataset.root=/no/such/folder"], "/no/such/folder"),
        (["model.weights=nothing.safetensors"], "nothing.safetensors does not exist"),
        (["models={resnet51: {}}"], "did you mean 'resnet50'"),
        (["explainers=[grad_kam]"], "did you mean 'grad_cam'"),
        (["explainers.swag.superpixels.num_segments=-1"], "num_segments"),
        (["metrics.deletion.step=4"], "did you mean 'steps'"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    photographs: Path, tmp_path: Path, overrides: list[str], message: str
) -> None:
    code, output = run(photographs, tmp_path / "run", *overrides)
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, output = run(tmp_path / "empty", tmp_path / "run", "model.weights=random:0")
    assert code == 2
    assert "empty" in output
