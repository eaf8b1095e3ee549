"""The blocks of code that pages show: found, checked, and run as a reader would."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from typer.main import get_command

from swagflow.cli import main
from swagflow.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w-]+\.\w+)\n")
_READERS = re.compile(r"\b(PHOTOS|WEIGHTS)\b")
"""Stands for a file of the reader's, unless the page makes it."""
_ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A block of code, and in which language."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, where its first line says so."""
        match = _FILE.match(self.text)
        return match[1] if match else None


@dataclass(frozen=True)
class Shown:
    """A command of a console block, and what it is shown to print; nothing: whatever it does."""

    command: str
    output: str

    @property
    def words(self) -> list[str]:
        """Return its words without variables of the environment before them."""
        words = shlex.split(self.command, comments=True)
        while words and re.match(r"\w+=", words[0]):
            words = words[1:]
        return words


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that have a language."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [
        Block(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
        for indent, language, text in found
    ]


def shown(block: Block) -> list[Shown]:
    """Return the commands of a console block, which begin with a dollar sign."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    parts = re.split(r"^\$ ", joined, flags=re.MULTILINE)
    assert not parts[0].strip(), f"output without a command: {parts[0]!r}"
    return [Shown(*part.partition("\n")[::2]) for part in parts[1:]]


def calls(page: Path) -> Iterator[Shown]:
    """Yield what a page shows of `swagflow`."""
    for block in blocks(page):
        if block.language == "console":
            yield from (each for each in shown(block) if each.words[:1] == ["swagflow"])


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return a call's command and its options; it is not carried out.

    Raises:
        Exception: the command line knows no such command or option.
    """
    command: Any = get_command(app)
    _, name, *rest = words
    context = command.commands[name].make_context(name, rest)
    return name, cast(dict[str, Any], context.params)


def run_page(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Carry a page out in the working folder: write its files, run its Python and its calls.

    Other programs' commands, and what needs files of the reader's, are left to the reader.
    """
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            # The blocks are this repository's own, and one may use what those before it made.
            exec(compile(block.text, page.name, "exec", dont_inherit=True), names)
        elif block.language == "console":
            for each in shown(block):
                if each.words[:1] == ["swagflow"] and _has_files(each):
                    _call(each, capsys)


def _has_files(each: Shown) -> bool:
    return all(Path(name).exists() for name in _READERS.findall(each.command))


def _call(each: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(each.words[1:])
    said = capsys.readouterr()
    told = said.out + said.err
    refused = each.output.startswith("Error:")
    assert ended.value.code == (2 if refused else 0), f"{each.command}\n{told}"
    want = each.output.strip()
    if want:
        alike = doctest.OutputChecker().check_output(f"{want}\n", told, _ALIKE)
        assert alike, f"{each.command}\nshown:\n{want}\nprinted:\n{told}"
