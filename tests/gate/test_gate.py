"""The gate itself: each check of it must be able to fail, and the repository must pass the rest."""

from __future__ import annotations

import ast
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
CALLS = """from swag.module import double
from workflows.module import double as twice

double(twice(1))
"""
MAX_LINES = 300
MAX_FUNCTION_LINES = 45
PACKAGES = ("swag", "workflows", "tests", "benchmarks", "website")


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project under this one's settings, which passes the linters."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
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
        ("def _f(a, b, c, d, *, e, f, g):\n    return a\n", "PLR0913"),
        ("def _f():\n" + "    g()\n" * 41, "PLR0915"),
        ("def _f(x):\n" + "".join(f"    if x({n}):\n        g()\n" for n in range(11)), "C901"),
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
    for package in PACKAGES:
        (project / package / "module.py").write_text(
            "def f(x):\n    return x\n\n\ndef g() -> int:\n    return ''\n"
        )
    done = run("mypy", cwd=project)
    assert done.returncode == 1
    for package in ("swag", "swagflow", "tests", "benchmarks", "website"):
        said = [line for line in done.stdout.splitlines() if line.startswith(f"{package}/")]
        assert any("no-untyped-def" in line for line in said), package
        assert any("return-value" in line for line in said), package


def test_a_warning_is_a_failure(project: Path) -> None:
    kinds = ("DeprecationWarning", "FutureWarning", "UserWarning")
    tests = [f"def test_{kind}():\n    warnings.warn('old', {kind})\n" for kind in kinds]
    tests += ["def test_unclosed():\n    open(__file__)\n", "def test_good():\n    pass\n"]
    (project / "tests" / "test_it.py").write_text("import warnings\n" + "".join(tests))
    done = run("pytest", "-q", cwd=project)
    assert done.returncode == 1
    assert "4 failed, 1 passed" in done.stdout


def test_code_that_no_test_runs_is_noticed(project: Path) -> None:
    target = (ROOT / "Makefile").read_text().split("\ntest:")[1].split("\n\n")[0]
    command = re.findall(r"\$\(BIN\)/(coverage report .*)", target)[0].split()
    call = project / "swag" / "call.py"
    for text, code in (("import swag.module\nimport workflows.module\n", 2), (CALLS, 0)):
        call.write_text(text)
        assert run("coverage", "run", "-m", "swag.call", cwd=project).returncode == 0
        done = run(*command, cwd=project)
        assert done.returncode == code, done.stdout


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


def sources() -> list[Path]:
    found = [path for path in tracked() if path.suffix == ".py"]
    found = [path for path in found if path.relative_to(ROOT).parts[0] != "tests"]
    folders = {path.relative_to(ROOT).parts[0] for path in found}
    assert {"swag", "workflows", "benchmarks"} <= folders
    return found


def test_no_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources()
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def long_functions(code: str) -> list[str]:
    """Return the functions of more lines than they may have; a docstring's do not count."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            told = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) else 0
            if (node.end_lineno or 0) - node.lineno + 1 - told > MAX_FUNCTION_LINES:
                found.append(node.name)
    return found


def test_no_function_is_long() -> None:
    line = "    g()\n"
    told = '    """Says\n    much.\n    """\n'
    assert long_functions("def f():\n" + line * MAX_FUNCTION_LINES) == ["f"]
    assert long_functions("def f():\n" + told + line * (MAX_FUNCTION_LINES - 1)) == []
    found = {
        str(path.relative_to(ROOT)): long
        for path in sources()
        if (long := long_functions(path.read_text(encoding="utf-8")))
    }
    assert found == {}


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
    asked_names -= {"lxt"}  # which is not installed beside the transformers that is pinned
    assert asked_names
    assert asked_names <= pinned


def test_the_layout_names_every_module() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    layout = text[text.index("## Layout") : text.index("## Add an explainer")]
    named = re.findall(r"[\w/]+\.py", layout)
    modules = [
        path.relative_to(ROOT)
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in {"swag", "workflows"}
    ]
    expected = sorted(path.name for path in modules if path.name != "__init__.py")
    assert expected
    assert sorted(name for name in named if name.endswith(".py") and "/" not in name) == sorted(
        [*expected, "conftest.py"]
    )
