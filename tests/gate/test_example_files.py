"""The files in examples/ run as whoever copies them runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "examples").glob("*.py"))
SAYS = {
    "explain_picture.py": r"captum:IntegratedGradients: \(112, 112\)",
    "read_a_run.py": r"tiny_vgg +random +0\.\d+ +8",
    "resume.py": r"32 rows to compute in 4 shards, 32 rows held already; 2 workers",
    "your_maps.py": r"theirs",
    "your_method.py": r"sparseness +mine +0\.\d+",
    "your_model.py": r"report: .*report\.html",
}


def test_every_file_is_listed_and_tried() -> None:
    listed = re.findall(r"\]\((\w+\.py)\)", (ROOT / "examples" / "README.md").read_text())
    assert sorted(listed) == sorted(SAYS) == [file.name for file in FILES]


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
