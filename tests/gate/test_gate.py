"""The gate itself: each check of it must be able to fail, and the repository must pass the rest."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLEAN = '''"""A module."""


def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number
'''
MAX_LINES = 300


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project under this one's settings, which passes the linters."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("swag", "workflows"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text('"""A package."""\n')
        (tmp_path / package / "module.py").write_text(CLEAN)
    (tmp_path / "swagflow").symlink_to("workflows")
    return tmp_path


def test_the_small_project_is_accepted(project: Path) -> None:
    for command in (("format", "--check", "."), ("check", ".")):
        done = run("ruff", *command, cwd=project)
        assert done.returncode == 0, done.stdout


def test_unformatted_code_is_rejected(project: Path) -> None:
    (project / "swag" / "module.py").write_text(CLEAN.replace("2 * number", "2*number"))
    done = run("ruff", "format", "--check", ".", cwd=project)
    assert done.returncode == 1
    assert "module.py" in done.stdout


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import os\n", "F401"),
        ("def f() -> None:\n    print(1)\n", "T201"),
        (
            "def f() -> None:\n    try:\n        f()\n    except Exception:\n        pass\n",
            "BLE001",
        ),
        ("import numpy as np\n\nx = np.random.rand(3)\n", "NPY002"),
        ("import pickle\n\nx = pickle.loads(b'')\n", "S301"),
        ("def public() -> None:\n    return None\n", "D103"),
        ("import ray\n", "TID251"),
        ("from ray.job_submission import JobSubmissionClient\n", "TID251"),
        ("def f() -> None:\n    import ray\n", "TID251"),
        ("def f() -> None:\n    from ray import remote\n", "TID251"),
    ],
)
def test_a_bad_line_is_rejected(project: Path, code: str, rule: str) -> None:
    (project / "workflows" / "module.py").write_text(f'"""A module."""\n\n{code}')
    done = run("ruff", "check", "--output-format", "concise", ".", cwd=project)
    assert done.returncode == 1
    assert rule in done.stdout


def test_the_room_of_ray_may_import_it(project: Path) -> None:
    code = '"""A module."""\n\nimport ray\n\nray.init()\n'
    (project / "workflows" / "on_ray").mkdir()
    for name in ("__init__", "module"):
        (project / "workflows" / "on_ray" / f"{name}.py").write_text(code)
    assert run("ruff", "check", ".", cwd=project).returncode == 0
    (project / "swag" / "on_ray.py").write_text(code)
    assert run("ruff", "check", ".", cwd=project).returncode == 1


def test_untyped_and_wrongly_typed_code_is_rejected(project: Path) -> None:
    assert run("mypy", cwd=project).returncode == 0
    (project / "swag" / "module.py").write_text(
        "def f(x):\n    return x\n\n\ndef g() -> int:\n    return ''\n"
    )
    done = run("mypy", cwd=project)
    assert done.returncode == 1
    assert "no-untyped-def" in done.stdout
    assert "return-value" in done.stdout


@cache
def tracked() -> tuple[Path, ...]:
    """Return the text files of the repository: tracked ones, and new ones not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.splitlines()]
    return tuple(path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192])


def hits(pattern: str, paths: Sequence[Path]) -> list[str]:
    expression = re.compile(pattern)
    return [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in paths
        for match in expression.finditer(path.read_text(encoding="utf-8"))
    ]


# A class of one letter keeps this file from matching itself.
MACHINE = r"(?<![\w.$}])/(?:[w]ork|[r]oot)/|/tmp/[w]\b|/opt/[p]ypi"
REGISTRY = r"(?i:\b[p]ypi\.org|[p]ythonhosted\.org|registry\.[n]pmjs|deb\.[d]ebian\.org)"


def test_nothing_names_a_machine_or_a_registry_host() -> None:
    assert re.search(MACHINE, "open('/" + "work/x')")
    assert re.search(REGISTRY, "--index-url https://" + "PyPI" + ".org/simple")
    assert hits(f"{MACHINE}|{REGISTRY}", tracked()) == []


def test_no_file_is_long() -> None:
    sources = [
        p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] != "tests"
    ]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources
    }
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_the_commands_of_the_readme_are_targets() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    readme = (ROOT / "README.md").read_text()
    first_block = readme.split("```")[1]
    commands = re.findall(r"^\$ make ([a-z]+)", first_block, re.MULTILINE)
    assert commands == ["benchmark", "test"]
    assert targets.issuperset(commands)
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_links_of_the_documents_lead_somewhere() -> None:
    documents = [path for path in tracked() if path.suffix == ".md"]
    broken = [
        f"{document.relative_to(ROOT)} -> {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert documents
    assert broken == []


def test_every_direct_dependency_is_pinned_without_an_address() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    asked = re.findall(r'^    "([A-Za-z0-9_.-]+)[^"=]*>=', settings, re.MULTILINE)
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    pinned = {pin.partition("==")[0] for pin in pins}
    assert len(pinned) == len(pins)
    asked_names = {name.lower().replace("_", "-") for name in asked} - {"setuptools"}
    assert asked_names
    assert asked_names <= pinned
