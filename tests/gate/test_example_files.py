"""The files in examples/ run as whoever copies them runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOK = ROOT / "examples" / "first_five_minutes.ipynb"
SAYS = {
    "explain_picture.py": r"captum:IntegratedGradients: \(112, 112\)",
    "read_a_run.py": r"tiny_vgg +random +0\.\d+ +8",
    "resume.py": r"32 rows to compute in 4 shards, 32 rows held already; 2 workers",
    "your_maps.py": r"theirs",
    "your_method.py": r"sparseness +mine +0\.\d+",
    "your_model.py": r"report: .*report\.html",
}


def test_every_file_is_listed_and_tried() -> None:
    text = (ROOT / "examples" / "README.md").read_text()
    assert sorted(re.findall(r"\]\((\w+\.py)\)", text)) == sorted(SAYS)
    assert sorted(SAYS) == [file.name for file in FILES]
    assert re.findall(r"\]\((\w+\.ipynb)\)", text) == [NOTEBOOK.name]
    assert list((ROOT / "examples").glob("*.ipynb")) == [NOTEBOOK]


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_runs(file: Path, tmp_path: Path) -> None:
    copied = tmp_path / file.name
    copied.write_text(file.read_text())
    done = subprocess.run(
        [sys.executable, str(copied)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAYS[file.name], done.stdout + done.stderr), done.stdout + done.stderr


def outputs_of(notebook: nbformat.NotebookNode) -> list[set[str]]:
    """The kinds of what each code cell shows; an error is one."""
    return [
        {kind for output in cell.outputs for kind in output.get("data", {output.output_type: 0})}
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_shows_its_outputs_and_is_small() -> None:
    kinds = outputs_of(nbformat.read(NOTEBOOK, as_version=4))
    assert set.union(*kinds) == {"text/plain", "text/html", "image/png"}
    assert NOTEBOOK.stat().st_size < 200_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebook_runs_and_shows_what_it_has_kept(tmp_path: Path) -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    again = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(again, timeout=300, kernel_name="python3", resources=where).execute()
    assert outputs_of(again) == outputs_of(kept)
