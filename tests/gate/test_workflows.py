"""The workflows in .github: of the form that GitHub wants, and what they call is there."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
HOOKS = ROOT / ".pre-commit-config.yaml"


def by_schema(*files: Path) -> subprocess.CompletedProcess[str]:
    """Hold files against the schema that comes with check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    names = [str(file) for file in files]
    return subprocess.run(
        [*command, "vendor.github-workflows", *names], capture_output=True, text=True, check=False
    )


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return found


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every step, with the job that it belongs to."""
    for file in FILES:
        for name, job in read(file.name)["jobs"].items():
            yield from ((f"{file.name}: {name}", step) for step in job["steps"])


def test_workflows_follow_the_schema() -> None:
    assert [file.name for file in FILES] == ["check.yml", "docs.yml", "nightly.yml", "release.yml"]
    done = by_schema(*FILES)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("runs-on:", "run-on:", "run-on"), ("contents: read", "contents: look", "look")],
)
def test_a_workflow_that_is_none_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "check.yml"
    file.write_text(FILES[0].read_text().replace(old, new))
    done = by_schema(file)
    assert done.returncode == 1
    assert said in done.stdout


def test_actions_are_of_one_commit_each_and_named_by_version() -> None:
    used = {line for file in FILES for line in re.findall(r"uses: (.*)", file.read_text())}
    assert len(used) >= 6
    assert [
        line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)
    ] == []
    assert len({line.partition("@")[0] for line in used}) == len(used)


def test_the_scripts_of_steps_are_sound() -> None:
    scripts = [(where, step["run"]) for where, step in steps() if "run" in step]
    assert len(scripts) >= 10
    for where, script in scripts:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "shellcheck"), "--shell=bash", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{where}\n{script}\n{done.stdout}"
        assert "${{" not in script, f"{where}: what others write must not become code"


def test_targets_and_tests_that_workflows_name_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    scripts = "\n".join(str(step.get("run", "")) for _, step in steps())
    called = set(re.findall(r"\bmake ([a-z]+)", scripts))
    assert called == {"check", "docs", "test"}
    assert called <= targets
    tests = set(re.findall(r"\btests/[\w/.]+", scripts))
    assert tests
    assert [name for name in tests if not (ROOT / name).exists()] == []


def test_the_versions_that_are_promised_are_tried() -> None:
    jobs = read("check.yml")["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == PYTHONS
    assert read("nightly.yml")["jobs"]["gate"]["strategy"]["matrix"]["python"] == PYTHONS
    systems = jobs["systems"]["strategy"]["matrix"]["system"]
    assert {name.partition("-")[0] for name in systems} == {"macos", "windows"}
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    told = [name.rpartition(" ")[2] for name in classifiers if name.count("::") == 2]
    assert [name for name in told if "." in name] == PYTHONS
    page = (ROOT / "docs" / "compatibility.md").read_text()
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in page


def test_only_what_publishes_may_write_and_it_publishes_what_was_tried() -> None:
    for file in FILES:
        workflow = read(file.name)
        assert workflow["permissions"] == {"contents": "read"}
        may_write = {
            name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions"))
        }
        assert may_write <= {"publish"}
    release = read("release.yml")["jobs"]
    assert set(release["publish"]["needs"]) == {"build", "try", "image"}
    built = [step for job in release.values() for step in job["steps"] if "-m build" in str(step)]
    assert len(built) == 1
    assert release["publish"]["environment"]["name"] == "release"


def test_hooks_call_what_the_gate_calls() -> None:
    (repository,) = yaml.safe_load(HOOKS.read_text())["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"].split()[:2] for hook in repository["hooks"]]
    programs = {Path(entry[0]).name for entry in entries}
    assert programs == {"ruff", "mypy", "check-jsonschema"}
    asked = (ROOT / "pyproject.toml").read_text()
    assert all(f'"{program}>=' in asked for program in programs)
