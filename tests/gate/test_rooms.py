"""Who may import whom: rooms go one way, modules in no circle, and no module knows many others."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"swag": "swag", "swagflow": "workflows"}
ROOMS = (
    ("cli", "__main__"),
    ("front",),
    ("forecast", "on_ray"),
    ("engine",),
    ("train", "page"),
    ("report", "config"),
    ("data",),
    ("store",),
    ("errors", "hardware", "logs", "progress"),
    ("confidential", "cores"),
)
"""From top to bottom: a room imports those of lower lines. A line's rooms are no concern of each
other, but `__main__` starts `cli`. Rooms of the last lines are modules."""
NOT_FOR_SWAG = {"swagflow", "workflows", "ray", "yaml", "pydantic", "pyarrow"}
MOST = 12
MANY = {"swagflow.cli.app": "names every command, and each has its module"}
"""Modules that know more than `MOST` others; an entry that is no longer needed fails the test."""

Imports = Mapping[str, frozenset[str]]


def imports_of(root: Path) -> dict[str, frozenset[str]]:
    """Return what each module imports anywhere in it: modules of the project, else full names."""
    files = {
        _name(package, path.relative_to(root / folder)): path
        for package, folder in FOLDERS.items()
        for path in sorted((root / folder).rglob("*.py"))
    }
    return {
        module: frozenset(_imported(module, path, files)) - {module}
        for module, path in files.items()
    }


def _name(package: str, path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def _imported(module: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in files else base


def rank_of(module: str) -> int:
    """Return a module's line in `ROOMS`; `swag` and the empty `swagflow` itself come last."""
    package, *rest = module.split(".")
    if package == "swag" or not rest:
        return len(ROOMS)
    ranks = [rank for rank, rooms in enumerate(ROOMS) if rest[0] in rooms]
    assert ranks, f"{module} is in no room: add it to ROOMS"
    return ranks[0]


def room_of(module: str) -> str:
    package, *rest = module.split(".")
    return package if package == "swag" or not rest else rest[0]


def upward(imports: Imports) -> list[str]:
    """Return the imports of a room that is not below."""
    return [
        f"{module} -> {other}"
        for module, others in imports.items()
        for other in sorted(others & imports.keys())
        if room_of(module) != room_of(other)
        and rank_of(module) >= rank_of(other)
        and (room_of(module), room_of(other)) != ("__main__", "cli")
    ]


def circle(imports: Imports) -> list[str]:
    """Return a circle of modules that import each other, or nothing."""
    local = {module: others & imports.keys() for module, others in imports.items()}
    try:
        TopologicalSorter(local).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def refused(imports: Imports) -> list[str]:
    """Return imports that no room explains: what `swag` must not know, and a folder's own name."""
    return [
        f"{module} -> {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if (head := other.partition(".")[0]) == "workflows"
        or (module.partition(".")[0] == "swag" and head in NOT_FOR_SWAG)
    ]


def crowded(imports: Imports) -> dict[str, int]:
    """Return the modules that import more than `MOST` modules of the project."""
    counts = {module: len(others & imports.keys()) for module, others in imports.items()}
    return {module: count for module, count in counts.items() if count > MOST}


@pytest.fixture(scope="module")
def ours() -> Imports:
    return imports_of(ROOT)


def test_every_module_is_looked_at(ours: Imports) -> None:
    assert {"swag", "swagflow", "swag.models", "swagflow.__main__", "swagflow.cli.app"} <= set(ours)
    assert "swagflow.cli.app" in ours["swagflow.cli"]  # inside a function
    assert "ray" in ours["swagflow.on_ray.session"]


def test_rooms_import_rooms_below_them(ours: Imports) -> None:
    assert upward(ours) == []


def test_no_modules_import_each_other(ours: Imports) -> None:
    assert circle(ours) == []


def test_nothing_is_imported_that_must_not_be_known(ours: Imports) -> None:
    assert refused(ours) == []


def test_no_module_knows_many_others(ours: Imports) -> None:
    assert sorted(crowded(ours)) == sorted(MANY)


def tree(root: Path, files: Mapping[str, str]) -> Imports:
    """Write modules and return their imports."""
    for name, text in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return imports_of(root)


LATE = "def f():\n    from {} import x\n"
TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {} import x\n"


@pytest.mark.parametrize("form", ["from {} import x\n", LATE, TYPED])
@pytest.mark.parametrize(
    ("module", "imported", "found"),
    [
        ("workflows/store/a", "..engine.b", "swagflow.store.a -> swagflow.engine.b"),
        ("workflows/store/a", "swagflow.engine.b", "swagflow.store.a -> swagflow.engine.b"),
        ("workflows/report/a", "..config.b", "swagflow.report.a -> swagflow.config.b"),
        ("workflows/forecast/a", "..on_ray.b", "swagflow.forecast.a -> swagflow.on_ray.b"),
        ("workflows/errors", ".store.b", "swagflow.errors -> swagflow.store.b"),
        ("workflows/errors", ".progress", "swagflow.errors -> swagflow.progress"),
        ("workflows/engine/a", "..store.b", None),
        ("workflows/engine/a", ".b", None),
        ("workflows/store/a", "swag.types", None),
    ],
)
def test_an_import_upward_or_aside_is_found(
    tmp_path: Path, form: str, module: str, imported: str, found: str | None
) -> None:
    rooms = {f"workflows/{room}/b": "" for room in ("config", "engine", "on_ray", "store")}
    known = {**rooms, "workflows/progress": "", "swag/types": ""}
    imports = tree(tmp_path, {**known, module: form.format(imported)})
    assert upward(imports) == ([found] if found else [])


def test_a_module_outside_of_the_rooms_is_found(tmp_path: Path) -> None:
    imports = tree(
        tmp_path, {"workflows/attic/a": "from ..errors import x", "workflows/errors": ""}
    )
    with pytest.raises(AssertionError, match=r"swagflow\.attic\.a is in no room"):
        upward(imports)


@pytest.mark.parametrize(
    "files",
    [
        {"swag/a": "from swag.b import x", "swag/b": "def f():\n    import swag.a\n"},
        {"swag/a": "from swag import b", "swag/b": TYPED.format("swag.a")},
        {"swag/p/__init__": "from swag.p.a import x", "swag/p/a": "from swag.p import y"},
        {"workflows/store/a": "from .b import x", "workflows/store/b": "from . import a"},
    ],
)
def test_a_circle_is_found(tmp_path: Path, files: dict[str, str]) -> None:
    assert len(circle(tree(tmp_path, files))) == 3
    assert circle(tree(tmp_path, {next(iter(files)): ""})) == []


@pytest.mark.parametrize("name", sorted(NOT_FOR_SWAG))
def test_what_swag_must_not_know_is_found(tmp_path: Path, name: str) -> None:
    line = LATE.format(f"{name}.inside")
    imports = tree(tmp_path, {"swag/a": line, "workflows/store/a": line})
    expected = [f"swag.a -> {name}.inside"]
    expected += [f"swagflow.store.a -> {name}.inside"] if name == "workflows" else []
    assert refused(imports) == expected


def test_a_module_that_knows_many_is_found(tmp_path: Path) -> None:
    known = {f"swag/m{number}": "" for number in range(MOST + 1)}
    lines = [f"from swag import m{number}\n" for number in range(MOST + 1)]
    assert crowded(tree(tmp_path, {**known, "swag/a": "".join(lines[1:])})) == {}
    assert crowded(tree(tmp_path, {"swag/a": "import torch\n" + "".join(lines)})) == {"swag.a": 13}
