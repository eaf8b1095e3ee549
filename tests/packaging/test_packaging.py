"""What is installed: two packages, their data, one version; nothing of the checkout is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

import swag
import swagflow
from tests.support.processes import ROOT

HELD = [
    "swag/py.typed",
    "swag/weights/tiny_vgg.safetensors",
    "swagflow/__main__.py",
    "swagflow/py.typed",
    "swagflow/cluster/Dockerfile",
    "swagflow/cluster/kuberay/rayjob.yaml",
    "swagflow/cluster/swagflow.sbatch",
    "swagflow/configs/full-benchmark.yaml",
    "swagflow/configs/paper/table1.yaml",
    "swagflow/report/paper_tables.json",
    "swagflow/page/report.html.j2",
    "swagflow/page/report.js",
    "swagflow/page/style.css",
]


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages_in(folder: str, name: str) -> set[str]:
    """Return the packages below a folder that is imported as `name`."""
    places = (path.parent.relative_to(ROOT / folder) for path in _inits(folder))
    return {".".join([name, *place.parts]) for place in places}


def _inits(folder: str) -> list[Path]:
    return list((ROOT / folder).rglob("__init__.py"))


def test_the_packages_listed_are_the_folders_there_are() -> None:
    listed = settings()["tool"]["setuptools"]["packages"]
    folders = settings()["tool"]["setuptools"]["package-dir"]
    assert listed == sorted(listed)
    assert set(listed) == set().union(*(packages_in(f, name) for name, f in folders.items()))


def test_there_is_one_version() -> None:
    assert settings()["project"]["dynamic"] == ["version"]
    assert settings()["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "swagflow.__version__"
    }
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    newest = (ROOT / "CHANGELOG.md").read_text().partition("\n## [")[2].partition("]")[0]
    assert {swag.__version__, str(cited), newest} == {swagflow.__version__}


def tracked(folder: Path) -> Path:
    """Copy the files under version control, as a fresh clone has them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def built(checkout: Path, folder: Path) -> Path:
    """Return the wheel that pip makes of a checkout, with the setuptools of this environment."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    pip("wheel", *options, str(checkout))
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def names_in(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_wheel_holds_two_packages_and_runs_where_there_is_no_checkout(tmp_path: Path) -> None:
    wheel = built(tracked(tmp_path / "checkout"), tmp_path / "wheel")
    names = names_in(wheel)
    about = f"swagflow-{swagflow.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"swag", "swagflow", about}
    assert set(HELD) <= names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    python_files = {str(path.relative_to(ROOT)) for path in (ROOT / "swag").rglob("*.py")}
    assert python_files <= names

    site, home = tmp_path / "site", tmp_path / "home"
    home.mkdir()
    pip("install", "--no-deps", "--no-index", "--target", str(site), str(wheel))

    def python(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(site)}
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    benchmarks = python("-m", "swagflow", "list", "benchmarks").split()
    assert {"full-benchmark", "paper/table1"} <= set(benchmarks)
    code = "import swag, swagflow, swagflow.cluster; print(swag.__file__, swagflow.__file__)"
    places = python("-c", code).split()
    assert all(Path(place).is_relative_to(site) for place in places)
    code = "from swagflow.config.load import load_benchmark as load; print(load('paper/all').name)"
    assert python("-c", code).strip() == "paper"
    script = python(str(site / "bin" / "swagflow"), "--version")
    assert script == f"swagflow {swagflow.__version__}\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_source_distribution_holds_what_the_wheel_needs(tmp_path: Path) -> None:
    checkout, place = tracked(tmp_path / "checkout"), tmp_path / "sdist"
    place.mkdir()
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", code, str(place)], cwd=checkout, capture_output=True, check=True
    )
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    (unpacked,) = (path for path in place.iterdir() if path.is_dir())
    from_source = names_in(built(unpacked, tmp_path / "again"))
    assert from_source == names_in(built(tracked(tmp_path / "clean"), tmp_path / "wheel"))
