"""What Sphinx calls while it builds the site."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from website import catalogue, commands, configuration, example

GENERATED: Mapping[str, Callable[[], str]] = {
    "catalogue": catalogue.text,
    "commands": commands.text,
    "configuration": configuration.text,
    "gallery": example.text,
}
"""What stands in place of a comment `<!-- generated: NAME -->`."""
_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
_FETCHED = re.compile(
    r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^"']+"""
)


def setup(app: Sphinx) -> None:
    """Have what is generated put into pages, docstrings read as written, and the site checked."""
    app.connect("source-read", put_in)
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("build-finished", refuse_strangers)


def put_in(app: Sphinx, name: str, content: list[str]) -> None:
    """Give the first page its table of contents, and marked places what belongs there."""
    contents = Path(__file__).with_name("contents.md").read_text(encoding="utf-8")
    text = _MARK.sub(lambda match: GENERATED[match[1]](), content[0])
    content[0] = f"{text}\n{contents}" if name == app.config.root_doc else text


def as_rst(
    _app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Turn a docstring's code in single backticks, and its bars, to what docutils reads."""
    text = "\n".join(lines).replace("|", r"\|")
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
    lines[:] = re.sub(r"(?<=\w``)(?=[a-z])", r"\\ ", text).split("\n")


def refuse_strangers(app: Sphinx, error: Exception | None) -> None:
    """End the build where a page would fetch a script, style or picture from elsewhere."""
    if error is None and (found := strangers(Path(app.outdir))):
        raise ExtensionError(f"pages fetch from elsewhere: {', '.join(found)}")


def strangers(folder: Path) -> list[str]:
    """Return what pages would fetch from elsewhere; a link that a reader follows is no such."""
    found = {
        match
        for page in folder.rglob("*.html")
        for match in _FETCHED.findall(page.read_text(encoding="utf-8"))
    }
    return sorted(found)
