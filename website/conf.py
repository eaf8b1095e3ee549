"""Settings of Sphinx: `make docs` writes build/site, without a network and without a warning.

The source is the repository itself, so that pages link to each other as they lie there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import swagflow  # noqa: E402
from website import catalogue, commands, configuration, example  # noqa: E402

project = "swagflow"
version = release = swagflow.__version__
root_doc = "README"
include_patterns = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("docs/**.md", "cluster/*.md", "examples/README.md", "benchmarks/README.md"),
]
exclude_patterns = [".*", "build", "runs", "tests", "swag", "swagflow", "workflows", "configs"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nitpicky = False  # annotations name what the reference leaves out

myst_heading_anchors = 4
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
default_role = "code"

html_theme = "furo"
html_title = f"swagflow {release}"
html_extra_path = ["root", str(example.copied())]
html_copy_source = html_show_sourcelink = html_show_copyright = False

GENERATED: Mapping[str, Callable[[], str]] = {
    "catalogue": catalogue.text,
    "commands": commands.text,
    "configuration": configuration.text,
    "gallery": example.text,
}
"""What stands in place of a comment `<!-- generated: NAME -->`."""


def setup(app: Sphinx) -> None:
    """Have what is generated put into pages, and docstrings read as they are written."""
    app.connect("source-read", put_in)
    app.connect("autodoc-process-docstring", as_rst)


def put_in(_app: Sphinx, name: str, content: list[str]) -> None:
    """Give the first page its table of contents, and marked places what belongs there."""
    contents = (ROOT / "website" / "contents.md").read_text() if name == root_doc else ""
    mark = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
    content[0] = mark.sub(lambda match: GENERATED[match[1]](), content[0]) + contents


def as_rst(
    _app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Turn a docstring's code in single backticks, and its bars, to what docutils reads."""
    text = "\n".join(lines).replace("|", r"\|")
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
    lines[:] = re.sub(r"(?<=\w``)(?=[a-z])", r"\\ ", text).split("\n")
