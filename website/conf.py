"""Settings of Sphinx: `make docs` writes build/site, without a network and without a warning.

The source is the repository itself, so that pages link to each other as they lie there.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import swagflow  # noqa: E402
from website import example  # noqa: E402

project = "swagflow"
version = release = swagflow.__version__
root_doc = "README"
include_patterns = [
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("docs/**.md", "cluster/*.md", "examples/README.md", "benchmarks/README.md"),
]
exclude_patterns = [".*", "build", "runs", "tests", "swag", "swagflow", "workflows", "configs"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "website.hooks"]
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
