"""YAML of a user: what is read from it, and what is refused before it can do harm."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node

from ..errors import UserError

MOST_BYTES = 1_000_000
MOST_DEPTH = 50
MOST_VALUES = 100_000
"""With every alias written out."""
_BOOLEAN = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """Takes `true` and `false` alone for booleans, as YAML 1.2 does: `on` is a key here."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own, and a new one in place of it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping in which every key stands once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key.value, str):
                if key.value in seen:
                    problem = f"the key {key.value!r} stands there twice"
                    raise yaml.constructor.ConstructorError(
                        problem=problem, problem_mark=key.start_mark
                    )
                seen.add(key.value)
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: ARG002
        """Return what a node stands for; PyYAML leaves it to Python to refuse what is none."""
        try:
            return super().construct_object(node, deep=True)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            problem = "a value is no such number, date or collection as it says it is"
            raise yaml.constructor.ConstructorError(
                problem=problem, problem_mark=node.start_mark
            ) from error


_Loader.add_implicit_resolver(
    _BOOLEAN, re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def parse_yaml(text: str) -> Any:
    """Return the plain data of a text.

    Raises:
        yaml.YAMLError: it is no YAML, names a key twice, or is larger than a configuration can be
            (bytes, depth, or values with every alias written out).
    """
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise yaml.YAMLError(f"it is larger than {MOST_BYTES:,} bytes")
    try:
        return _parsed(text)
    except (ValueError, OverflowError) as error:
        raise yaml.YAMLError("it names a version or character that there is not") from error


def _parsed(text: str) -> Any:
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {MOST_DEPTH} levels")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _num_values(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(f"it stands for more than {MOST_VALUES:,} values")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _num_values(node: Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for, counting what an alias repeats each time."""
    if id(node) not in known:
        known[id(node)] = MOST_VALUES  # what holds itself has no end
        children = node.value if isinstance(node, CollectionNode) else []
        if isinstance(node, MappingNode):
            children = [child for pair in node.value for child in pair]
        known[id(node)] = 1 + sum(_num_values(child, known) for child in children)
    return known[id(node)]


def read_yaml(path: Path, name: str) -> Any:
    """Return the plain data of a file.

    Args:
        name: how the user calls it.

    Raises:
        FileNotFoundError: there is none.
        UserError: it is no regular file or not valid YAML; its content is not in the message.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"configuration {name!r} is not a file; give a YAML file")
        return parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"configuration {name!r} is not valid YAML: {problem_of(error)}") from error
    except PermissionError as error:
        raise UserError(f"configuration {name!r} cannot be read: {error.strerror}") from error


def problem_of(error: Exception) -> str:
    """Return what is wrong with a text and where, without the text."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error).splitlines()[0]
    mark = error.problem_mark
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return f"{error.problem}{where}"
